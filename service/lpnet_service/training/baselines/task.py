"""The task every baseline gets: records of one kind to learn from, others to predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lpnet_service.training.records import Record, Vector


class Impossible(Exception):
    """A baseline cannot be had here; the message is the reason the report gives."""


@dataclass(frozen=True)
class Task:
    """Records of one kind, split; `blocks` are the block records that may be learnt from.

    Latencies are in ms, in the order of the records.
    """

    training: tuple[Record, ...]
    judged: tuple[Record, ...]
    blocks: tuple[Record, ...]
    seed: int

    @property
    def latency(self) -> Vector:
        return np.array([record.latency_ms for record in self.training])


# Takes a task, gives predictions in ms for what is judged; raises Impossible.
Baseline = Callable[[Task], Vector]


def folds(count: int) -> int:
    """Folds of a cross-validation over `count` samples. Raises Impossible for fewer than 4."""
    if count < 4:
        raise Impossible(f"only {count} samples to learn from")
    return 5 if count >= 10 else 2
