"""The task of every baseline: records of one kind to train on, others to predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lpnet_service.training.records import Record, Vector


class NotApplicable(Exception):
    """A baseline does not apply to these records; the report gives the message as the reason."""


@dataclass(frozen=True)
class Task:
    """Records of one kind, split; `blocks` are the block records to train on, for either kind."""

    training: tuple[Record, ...]
    test: tuple[Record, ...]
    blocks: tuple[Record, ...]
    seed: int

    @property
    def latency(self) -> Vector:
        return np.array([record.latency_ms for record in self.training])


# Takes a task, returns predictions in ms for its test records; raises NotApplicable.
Baseline = Callable[[Task], Vector]


def folds(count: int) -> int:
    """Folds of a cross-validation over `count` samples. Raises NotApplicable for fewer than 4."""
    if count < 4:
        raise NotApplicable(f"only {count} samples to train on")
    return 5 if count >= 10 else 2
