"""Training a network on pictures, epoch by epoch, the same way every time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.pruning.job.images import Labelled, Pictures
from lpnet.pruning.methods.base import PruningMethod

_TESTED_AT_ONCE = 500


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum, its rate `lr` falling along a cosine over all epochs; Adam at `gate_lr`
    for what a pruning method trains."""

    epochs: int
    lr: float = 0.05
    gate_lr: float = 5e-3
    batch: int = 64
    momentum: float = 0.9
    weight_decay: float = 5e-4
    shift: int = 2


class Trainer:
    """Trains a network and, with it, a method. Its state is that of its optimisers.

    What is drawn in an epoch depends on seed and number of the epoch alone, so that a run that was
    resumed goes on as if nothing had happened, at the same number of threads.
    """

    def __init__(
        self,
        model: nn.Module,
        pictures: Pictures,
        recipe: Recipe,
        seed: int,
        method: PruningMethod | None = None,
    ) -> None:
        self.model, self.method, self._recipe = model, method, recipe
        self._pictures, self._seed = pictures, seed
        self._optimisers: list[torch.optim.Optimizer] = [
            torch.optim.SGD(
                model.parameters(),
                lr=recipe.lr,
                momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
                nesterov=True,
            )
        ]
        gates = [] if method is None else list(method.parameters())
        if gates:
            self._optimisers.append(torch.optim.Adam(gates, lr=recipe.gate_lr))

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch."""
        return math.ceil(len(self._pictures.train) / self._recipe.batch)

    def state(self) -> list[dict[str, object]]:
        return [optimiser.state_dict() for optimiser in self._optimisers]

    def restore(self, state: list[dict[str, object]]) -> None:
        for optimiser, saved in zip(self._optimisers, state, strict=True):
            optimiser.load_state_dict(saved)

    def epoch(self, number: int) -> float:
        """Train an epoch, counted from 0; the mean loss of the task."""
        self.model.train()
        if self.method is not None:
            self.method.train()
        torch.manual_seed(_seed(self._seed, number, 0))  # for a dropout of the network
        total = 0.0
        for step, (pictures, labels) in enumerate(self._batches(number)):
            self._set_rate(number + step / self.steps)
            task = nn.functional.cross_entropy(self.model(pictures), labels)
            loss = task if self.method is None else task + self.method.latency_loss()
            for optimiser in self._optimisers:
                optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for optimiser in self._optimisers:
                optimiser.step()
            total += float(task.detach()) * len(labels)
        return total / len(self._pictures.train)

    def _set_rate(self, epoch: float) -> None:
        fallen = 0.5 * (1 + math.cos(math.pi * epoch / self._recipe.epochs))
        for group in self._optimisers[0].param_groups:
            group["lr"] = self._recipe.lr * fallen

    def _batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, shifted by a few pixels and, where that makes sense, mirrored."""
        draw = torch.Generator().manual_seed(_seed(self._seed, number, 1))
        train = self._pictures.train
        order = torch.randperm(len(train), generator=draw)
        for chosen in torch.split(order, self._recipe.batch):
            pictures = self._pictures.normal(train.pictures[chosen])
            if self._pictures.flip:
                mirrored = torch.rand(len(chosen), generator=draw) < 0.5
                pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
            yield _shifted(pictures, self._recipe.shift, draw), train.labels[chosen]


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _shifted(pictures: Tensor, most: int, draw: torch.Generator) -> Tensor:
    """Each moved by up to `most` pixels either way, zeros coming in."""
    if not most:
        return pictures
    n, c, h, w = pictures.shape
    padded = nn.functional.pad(pictures, (most,) * 4)
    down, right = torch.randint(0, 2 * most + 1, (2, n), generator=draw)
    rows = (down[:, None] + torch.arange(h))[:, None, :, None]
    columns = (right[:, None] + torch.arange(w))[:, None, None, :]
    places = torch.arange(n)[:, None, None, None], torch.arange(c)[None, :, None, None]
    return padded[(*places, rows, columns)]


def accuracy(model: nn.Module, pictures: Pictures, part: Labelled | None = None) -> float:
    """Share of the test pictures, or of those given, whose class the network names first."""
    part = pictures.test if part is None else part
    training, right = model.training, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(part), _TESTED_AT_ONCE):
            chosen = slice(start, start + _TESTED_AT_ONCE)
            named = model(pictures.normal(part.pictures[chosen])).argmax(1)
            right += int((named == part.labels[chosen]).sum())
    model.train(training)
    return right / len(part)
