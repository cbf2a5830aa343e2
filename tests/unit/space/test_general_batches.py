"""Spaces of any ops at other batch sizes than that of the example: their networks run."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from lpnet.space.space import Space


class Tokens(nn.Module):
    """A class token before the pixels of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 12))
        self.up, self.down = nn.Linear(12, 20), nn.Linear(20, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        result: Tensor = x + self.down(self.up(x).relu())
        return result


class Words(nn.Module):
    """An embedding of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 12)
        self.up, self.down = nn.Linear(12, 20), nn.Linear(20, 12)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        heads = self.up(x).relu().view(x.shape[0], x.shape[1], 4, -1).transpose(1, 2)
        result: Tensor = self.down(heads.transpose(1, 2).flatten(2))
        return result


class Shuffled(nn.Module):
    """A depthwise conv with a norm, of channels that were shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
        self.deep = nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        b, c, h, w = x.shape
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        result: Tensor = self.last(self.norm(self.deep(x)))
        return result


class Layers(nn.Module):
    """What an op reads beside a tensor is computed from constants, for each input of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.layers(x))

    def rest(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Assigned(Layers):
    """Assigns to parts of a tensor of zeros."""

    def rest(self, x: Tensor) -> Tensor:
        pair = torch.zeros(x.shape[0], 2, *x.shape[1:])
        pair[:, 1] = x
        pair[:, 0] = x * 2
        return pair[:, 0] - pair[:, 1].relu()


class Mirrored(Layers):
    """Gathers columns by number."""

    def rest(self, x: Tensor) -> Tensor:
        columns = torch.arange(x.shape[3]).flip(0).expand(x.shape)
        return torch.gather(x, 3, columns)


class Halved(Layers):
    """Chooses by a mask of columns."""

    def rest(self, x: Tensor) -> Tensor:
        return torch.where((torch.arange(x.shape[3]) > 3).expand(x.shape), x, -x)


class Centred(Layers):
    """Multiplies each image by the same matrix."""

    def rest(self, x: Tensor) -> Tensor:
        side = x.shape[3]
        centre = (torch.eye(side) - 1 / side).expand(x.shape[0], side, side)
        return torch.bmm(x.mean(1), centre)


IMAGE = torch.zeros(1, 3, 16, 16)
CONSTANTS = (Assigned, Mirrored, Halved, Centred)
# What is computed from constants is too large to be folded for this image.
LARGE = torch.zeros(1, 3, 160, 160)
WORDS = torch.zeros(1, 6, dtype=torch.int64)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        *((Tokens, IMAGE), (Words, WORDS), (Shuffled, IMAGE)),
        *((model, image) for model in CONSTANTS for image in (IMAGE, LARGE)),
    ],
)
def test_every_block_runs_at_every_batch_size(model: type[nn.Module], example: Tensor) -> None:
    space = Space.from_model(model(), example)
    for part in (space, *(space.block(block.name) for block in space.blocks)):
        for batch in (1, 3):
            data = part.concrete(part.dense, batch=batch).SerializeToString()
            session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
            inputs = {
                tensor.name: np.zeros(
                    tensor.shape, np.int64 if "int64" in tensor.type else np.float32
                )
                for tensor in session.get_inputs()
            }
            for tensor, output in zip(
                session.get_outputs(), session.run(None, inputs), strict=True
            ):
                assert list(output.shape) == tensor.shape
                assert batch in output.shape


def test_a_repeated_weight_is_priced_for_a_single_input() -> None:
    space = Space.from_model(Tokens(), IMAGE)
    (row,) = [row for row in space.table.rows if row.function == "expand"]
    assert row.h_out * row.w_out == 1


@pytest.mark.parametrize("model", CONSTANTS)
def test_constants_are_stored_for_a_single_input(model: type[nn.Module]) -> None:
    space = Space.from_model(model(), LARGE)
    data = space.to_bytes()
    assert Space.from_bytes(data) == space
    assert len(data) < 20_000
