"""The workbench of a cell: the trained network to start from, its images, and the device."""

from __future__ import annotations

import copy
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pruning.study.device import Device
from benchmarks.pruning.study.setting import Cell
from lpnet import zoo
from lpnet.errors import LpnetError
from lpnet.pruning.channels.recalibrate import recalibrate
from lpnet.pruning.job.images import ImageDataset, LabelledImages, open_images
from lpnet.pruning.job.job import KEPT_HIGH
from lpnet.pruning.job.training import Trainer, TrainingSettings, accuracy
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.methods.magnitude import strongest
from lpnet.space.space import Space

TRAINING_IMAGES = 10_000
_RECALIBRATION_BATCHES = 20
_SPENT = 0.97
# The learning rate after the gates, relative to before; as in `lpnet prune`.
_TUNED_AT = 0.2
_PHASES = ("pretrain", "gate", "tune")


@dataclass
class Bench:
    """Everything a method may use, and the count of what it used."""

    cell: Cell
    space: Space
    images: ImageDataset
    device: Device
    budget_ms: float
    start: nn.Module
    folder: Path
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    tries: list[dict[str, Any]] = field(default_factory=list)

    def model(self) -> nn.Module:
        """A copy of the trained network."""
        return copy.deepcopy(self.start)

    def steps(self, phase: str) -> int:
        """Steps of the optimiser in a phase."""
        return self._epochs(phase) * -(-len(self.images.train) // self.cell.schedule.batch)

    def train(self, phase: str, model: nn.Module, method: PruningMethod | None = None) -> None:
        """A phase of the schedule."""
        schedule, epochs = self.cell.schedule, self._epochs(phase)
        rate = schedule.lr * (_TUNED_AT if phase == "tune" else 1.0)
        seed = 3 * self.cell.seed + _PHASES.index(phase)
        settings = TrainingSettings(max(1, epochs), lr=rate, batch=schedule.batch)
        trainer = Trainer(model, self.images, settings, seed, method)
        for number in range(epochs):
            began = time.monotonic()
            loss = trainer.epoch(number)
            spent = time.monotonic() - began
            self.seconds[phase] = self.seconds.get(phase, 0.0) + spent
            self.say(f"  {phase} {number + 1}/{epochs}: loss {loss:.3f}, {spent:.0f} s")

    def cut(self, widths: Mapping[str, int]) -> nn.Module:
        """The trained network with its largest filters, recalibrated."""
        start = self.start
        return self.recalibrated(self.space.prune(start, strongest(start, self.space, widths)))

    def recalibrated(self, model: nn.Module) -> nn.Module:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        recalibrate(model, self.some())
        return model

    def some(self) -> list[Tensor]:
        """Batches to take statistics from."""
        train, batch = self.images.train, self.cell.schedule.batch
        generator = torch.Generator().manual_seed(self.cell.seed)
        order = torch.randperm(len(train), generator=generator)[: _RECALIBRATION_BATCHES * batch]
        parts = torch.split(train.images[order], batch)
        return [self.images.normalised(part) for part in parts]

    def tried(self, widths: Mapping[str, int], **facts: float) -> float:
        """Measure a candidate, once, and note it."""
        measured = [row["measured_ms"] for row in self.tries if row["widths"] == dict(widths)]
        ms = measured[0] if measured else self.device.measure_one(widths)
        share = ms / self.budget_ms
        self.tries.append({**facts, "measured_ms": ms, "share": share, "widths": dict(widths)})
        self.say(f"  {facts}: {ms:.4f} ms measured, {100 * share:.1f}% of the budget")
        return ms

    def enough(self, ms: float) -> bool:
        """Whether the budget is met and spent, so that nothing closer is looked for."""
        return self.within(ms) and ms >= _SPENT * self.budget_ms

    def within(self, ms: float) -> bool:
        return ms <= KEPT_HIGH * self.budget_ms

    def _epochs(self, phase: str) -> int:
        epochs: int = getattr(self.cell.schedule, phase)
        return epochs


def cifar(archive: Path, folder: Path) -> ImageDataset:
    """10,000 training images, a thousand of each class, and all test images."""
    cached = folder / "pictures.pt"
    if not cached.exists():
        unpacked = folder / "cifar10"
        if not unpacked.exists():
            part = folder / "cifar10.part"
            with tarfile.open(archive) as tar:
                tar.extractall(part, filter="data")
            part.rename(unpacked)
        (root,) = [path.parent for path in unpacked.rglob("train") if path.is_dir()]
        read = open_images(str(root), TRAINING_IMAGES)
        keep(
            cached,
            {
                "classes": read.classes,
                "train": (read.train.images, read.train.labels),
                "test": (read.test.images, read.test.labels),
            },
        )
    saved = torch.load(cached, weights_only=True)
    train, test = LabelledImages(*saved["train"]), LabelledImages(*saved["test"])
    return ImageDataset("cifar10", tuple(saved["classes"]), train, test, flip=True)


def trained(bench: Bench, file: Path) -> None:
    """Train the network that all methods start from, once."""
    if not file.exists():
        bench.say(f"training {bench.cell.model} to start from")
        bench.train("pretrain", bench.start)
        share = accuracy(bench.start, bench.images)
        keep(
            file,
            {
                "model": bench.start.state_dict(),
                "accuracy": share,
                "seconds": bench.seconds.pop("pretrain", 0.0),
                "schedule": asdict(bench.cell.schedule),
            },
        )
    saved = torch.load(file, weights_only=True)
    if saved["schedule"]["pretrain"] != bench.cell.schedule.pretrain:
        raise LpnetError(f"{file} was trained for {saved['schedule']}, not {bench.cell.schedule}")
    bench.start.load_state_dict(saved["model"])
    bench.say(f"starting from {100 * saved['accuracy']:.2f}%")


def keep(file: Path, what: dict[str, Any]) -> None:
    """All of it or nothing."""
    part = file.with_suffix(".part")
    torch.save(what, part)
    part.replace(file)


def fresh(cell: Cell) -> nn.Module:
    torch.manual_seed(cell.seed)
    return zoo.model(cell.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
