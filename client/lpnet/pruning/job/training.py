"""Training a network on images, epoch by epoch, repeatably."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.pruning.job.images import ImageDataset, LabelledImages
from lpnet.pruning.methods.base import PruningMethod

_TEST_BATCH = 500


@dataclass(frozen=True)
class TrainingSettings:
    """SGD with momentum, with `lr` falling along a cosine over all epochs; Adam with `gate_lr` for
    the parameters of a pruning method. `shift` is in pixels."""

    epochs: int
    lr: float = 0.05
    gate_lr: float = 5e-3
    batch: int = 64
    momentum: float = 0.9
    weight_decay: float = 5e-4
    shift: int = 2


class Trainer:
    """Trains a network, with a pruning method if there is one.

    Its state is that of its optimisers. Random draws in an epoch depend on the seed and the number
    of the epoch alone, so a resumed run gives the same result at the same number of threads.
    """

    def __init__(
        self,
        model: nn.Module,
        images: ImageDataset,
        settings: TrainingSettings,
        seed: int,
        method: PruningMethod | None = None,
    ) -> None:
        self.model, self.method, self._settings = model, method, settings
        self._images, self._seed = images, seed
        self._optimisers: list[torch.optim.Optimizer] = [
            torch.optim.SGD(
                model.parameters(),
                lr=settings.lr,
                momentum=settings.momentum,
                weight_decay=settings.weight_decay,
                nesterov=True,
            )
        ]
        gates = [] if method is None else list(method.parameters())
        if gates:
            self._optimisers.append(torch.optim.Adam(gates, lr=settings.gate_lr))

    @property
    def steps(self) -> int:
        return math.ceil(len(self._images.train) / self._settings.batch)

    def state(self) -> list[dict[str, object]]:
        return [optimiser.state_dict() for optimiser in self._optimisers]

    def restore(self, state: list[dict[str, object]]) -> None:
        for optimiser, saved in zip(self._optimisers, state, strict=True):
            optimiser.load_state_dict(saved)

    def epoch(self, number: int) -> float:
        """Train epoch `number`, counted from 0. Returns the mean loss of the task."""
        self.model.train()
        if self.method is not None:
            self.method.train()
        torch.manual_seed(_seed(self._seed, number, 0))  # for dropout in the network
        total = 0.0
        for step, (images, labels) in enumerate(self._batches(number)):
            self._set_rate(number + step / self.steps)
            task = nn.functional.cross_entropy(self.model(images), labels)
            loss = task if self.method is None else task + self.method.latency_loss()
            for optimiser in self._optimisers:
                optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for optimiser in self._optimisers:
                optimiser.step()
            total += float(task.detach()) * len(labels)
        return total / len(self._images.train)

    def _set_rate(self, epoch: float) -> None:
        factor = 0.5 * (1 + math.cos(math.pi * epoch / self._settings.epochs))
        for group in self._optimisers[0].param_groups:
            group["lr"] = self._settings.lr * factor

    def _batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(_seed(self._seed, number, 1))
        train = self._images.train
        order = torch.randperm(len(train), generator=generator)
        for chosen in torch.split(order, self._settings.batch):
            images = self._images.normalised(train.images[chosen])
            if self._images.flip:
                mirrored = torch.rand(len(chosen), generator=generator) < 0.5
                images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
            yield _shifted(images, self._settings.shift, generator), train.labels[chosen]


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _shifted(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    if not max_shift:
        return images
    n, c, h, w = images.shape
    padded = nn.functional.pad(images, (max_shift,) * 4)
    down, right = torch.randint(0, 2 * max_shift + 1, (2, n), generator=generator)
    rows = (down[:, None] + torch.arange(h))[:, None, :, None]
    columns = (right[:, None] + torch.arange(w))[:, None, None, :]
    image, channel = torch.arange(n)[:, None, None, None], torch.arange(c)[None, :, None, None]
    return padded[image, channel, rows, columns]


def accuracy(model: nn.Module, images: ImageDataset, part: LabelledImages | None = None) -> float:
    """Top-1 accuracy on the test images, or on `part`."""
    part = images.test if part is None else part
    training, correct = model.training, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(part), _TEST_BATCH):
            chosen = slice(start, start + _TEST_BATCH)
            predicted = model(images.normalised(part.images[chosen])).argmax(1)
            correct += int((predicted == part.labels[chosen]).sum())
    model.train(training)
    return correct / len(part)
