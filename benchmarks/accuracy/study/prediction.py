"""What a method gives for the test rows of a draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.accuracy.study.draws import Draw
from lpnet_service.training.records import Vector


@dataclass(frozen=True)
class Prediction:
    """Latencies `ms` (M,) of M test rows. The 90% interval is ms * exp(+-half_width) (M,), None
    for methods without intervals. `file_bytes` is the size of the model's file, if it has one."""

    ms: Vector
    half_width: Vector | None = None
    file_bytes: int | None = None


# Trains on the draw's training rows, predicts its test rows.
Run = Callable[[Draw], Prediction]
