"""Tiny networks of many ops, inputs and outputs, whose spaces have a layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Gates(nn.Module):
    """Squeeze and excitation, a split and a concat, a PReLU, pooling in several sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.slopes = nn.PReLU(16)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.branch = nn.Conv2d(8, 8, 3, 1, 1)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.slopes(self.norm(self.stem(x)))
        gate = self.excite(functional.silu(self.squeeze(x.mean((2, 3), keepdim=True))))
        x = x * torch.sigmoid(gate)
        left, right = x.chunk(2, 1)
        x = torch.cat([left, right, functional.max_pool2d(self.branch(right), 5, 1, 2)], 1)
        result: Tensor = self.head(x.amax((2, 3)))
        return result


class Encoder(nn.Module):
    """A text encoder: ids and a mask, embedding, attention, layer norms."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 24)
        self.first, self.second = nn.LayerNorm(24), nn.LayerNorm(24)
        self.qkv, self.out = nn.Linear(24, 48), nn.Linear(16, 24)
        self.up, self.down = nn.Linear(24, 40), nn.Linear(40, 24)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.embedding(ids)
        b, n, _ = x.shape
        q, k, v = self.qkv(self.first(x)).view(b, n, 3, -1, 8).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) * 8**-0.5
        scores = scores.masked_fill(~mask[:, None, None, :], -1e4)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, -1)
        x = x + self.out(mixed)
        x = x + self.down(functional.gelu(self.up(self.second(x))))
        return x, x[:, 0].tanh()


class Hourglass(nn.Module):
    """Down and up again: a transposed conv, resizing in two ways, group and instance norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 2, 2)
        self.norm, self.instance = nn.GroupNorm(4, 16), nn.InstanceNorm2d(8, affine=True)
        self.up, self.merge = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(24, 12, 1)
        self.side = nn.Conv2d(16, 8, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.instance(self.stem(x)).relu()
        low = functional.leaky_relu(self.norm(self.down(x)))
        near = functional.interpolate(self.side(low), scale_factor=2, mode="nearest")
        wide = functional.interpolate(low, scale_factor=0.5, mode="bilinear")
        y = self.merge(torch.cat([x, self.up(low), near], 1))
        return {"fine": self.shuffle(functional.pad(y, (1, 1, 0, 2))), "coarse": wide.abs()}


class Bytes(nn.Module):
    """Images in bytes and a vector of floats."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.wide = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 12, 3)
        self.mix, self.head = nn.Linear(4, 12), nn.Linear(12, 3)

    def forward(self, image: Tensor, facts: Tensor) -> Tensor:
        x = (image.float() / 255 - 0.45) / 0.22
        x = functional.hardswish(self.wide(functional.relu6(self.conv(x))))
        x = x.flatten(2).mean(-1) * torch.exp(-self.mix(facts).square()).clamp(0.1, 0.9)
        result: Tensor = self.head(x).log_softmax(-1)
        return result


class Signal(nn.Module):
    """Convolutions over time, channels last in between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 12, 5, 2, 2), nn.Conv1d(12, 12, 3, 1, 1, groups=12)
        self.norm, self.point = nn.LayerNorm(12), nn.Linear(12, 20)
        self.back = nn.Linear(20, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x)).transpose(1, 2)
        y = self.back(functional.mish(self.point(self.norm(x))))
        result: Tensor = (x + y).transpose(1, 2).max(-1).values
        return result


class Volume(nn.Module):
    """Convolutions over three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(2, 6, 3, 1, 1), nn.Conv3d(6, 8, 3, 2, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool3d(self.first(x).relu(), 2)
        result: Tensor = self.head(functional.elu(self.second(x)).mean((2, 3, 4)))
        return result


class Recurrent(nn.Module):
    """An op of which nothing is known but its sizes; it works at the example's batch size only."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.recurrent = nn.Linear(6, 10), nn.LSTM(10, 8, batch_first=True)
        self.wide, self.head = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.recurrent(self.first(x).relu())
        result: Tensor = self.head(self.wide(states).relu())
        return result


Example = Any
# The example inputs of each network.
MODELS: dict[str, tuple[Callable[[], nn.Module], Example]] = {
    "gates": (Gates, torch.zeros(1, 3, 16, 16)),
    "encoder": (
        Encoder,
        (torch.zeros(1, 7, dtype=torch.int64), torch.ones(1, 7, dtype=torch.bool)),
    ),
    "hourglass": (Hourglass, torch.zeros(1, 3, 16, 16)),
    "bytes": (Bytes, (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 4))),
    "signal": (Signal, torch.zeros(1, 4, 24)),
    "volume": (Volume, torch.zeros(1, 2, 8, 8, 8)),
    "recurrent": (Recurrent, torch.zeros(1, 5, 6)),
}
