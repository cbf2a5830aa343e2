"""What a latency model predicts for records."""

from __future__ import annotations

from dataclasses import dataclass

from lpnet_service.training.records import Vector


@dataclass(frozen=True)
class Predictions:
    """Latencies `ms` (N,) of N records, and their relative `spread` (N,)."""

    ms: Vector
    spread: Vector
