"""The condition of a target: whether it can measure, and the readings of its sentinels.

A sentinel is a small workload that never changes and is timed regularly. Its level is its latency
when the epoch began. A drift from that level beyond the limit means that the device has changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lpnet.schemas.base import Count, Name, Time, Wire
from lpnet.schemas.device import MachineId
from lpnet.schemas.sample import Sentinel

Condition = Literal["ready", "paused", "broken"]
Cause = Literal["sentinel", "owner", "room", "device"]

LEVEL_READINGS = 5
DRIFT_LIMIT_PCT = 3.0
# A normal reading is further from the median of five others than twice their range in 1 of 90
# cases, and two successive readings are in 1 of 500.
_RANGE_FACTOR = 2.0


def level(latencies: Iterable[float]) -> float | None:
    """Level of a sentinel, ms: the median of the first readings of an epoch.

    `latencies` are those of the undisturbed readings, oldest first. The level is final after
    LEVEL_READINGS readings. None without readings.
    """
    first = list(islice(latencies, LEVEL_READINGS))
    return median(first) if first else None


def limit_pct(latencies: Iterable[float], min_limit_pct: float = DRIFT_LIMIT_PCT) -> float:
    """Drift, up or down, beyond which the device counts as changed, percent.

    It is the larger of `min_limit_pct` and twice the range of the readings that set the level: if
    readings scatter much, a smaller drift is normal.
    """
    first = list(islice(latencies, LEVEL_READINGS))
    level_ms = level(first)
    if level_ms is None:
        return min_limit_pct
    return max(min_limit_pct, 100 * _RANGE_FACTOR * (max(first) - min(first)) / level_ms)


def drift_pct(latency_ms: float, level_ms: float) -> float:
    """How far a reading is above its level, percent; negative below it."""
    return 100.0 * (latency_ms / level_ms - 1.0)


class ConditionReport(Wire):
    """An agent's report of the condition of a target."""

    target: Name = Field(description="target of this agent")
    state: Condition = Field(
        description="ready; paused: it continues by itself later; broken: it needs a person"
    )
    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="reason, for people; required unless it is ready"
    )
    cleared: Count = Field(
        default=0, description="number of clearings of this target that the agent has applied"
    )
    cause: Cause | None = Field(
        default=None,
        description="cause: its sentinels; its owner (pause, hours, load, heat, ...); room: a "
        "full disk; device: it is out of reach; null: unknown, or ready",
    )
    since: Time | None = Field(
        default=None,
        description="time of the last good check before a drift; later samples are not reliable; "
        "null: all samples are",
    )
    seat: MachineId | None = Field(
        default=None, description="seat that the agent registered with; null: none"
    )

    @model_validator(mode="after")
    def _has_a_reason(self) -> ConditionReport:
        if self.state != "ready" and self.reason is None:
            raise ValueError(f"reason: required if the state is {self.state}")
        return self


class ConditionResponse(Wire):
    """The answer to a condition report."""

    cleared: int = Field(
        description="number of times that people have cleared this target; if it is more than the "
        "agent's number, the agent resets level and condition"
    )
    epoch: int = Field(description="current epoch of the target")


class SentinelReading(Wire):
    """A reading of a sentinel."""

    sentinel: Sentinel = Field(description="name of the sentinel")
    latency_ms: float = Field(description="median latency, ms")
    drift_pct: float | None = Field(
        description="drift from the level of its epoch, percent; null for the readings that set "
        "the level"
    )
    disturbed: bool = Field(description="disturbed: the reading is not used")
    measured_at: Time = Field(description="when it was measured, or stored if that is unknown")
    epoch: int = Field(description="epoch of the target")
    session: str | None = Field(description="the measuring process; null: not recorded")


class SentinelHistory(Wire):
    """The sentinel readings of a target."""

    items: tuple[SentinelReading, ...] = Field(description="readings, newest first")
    level_ms: dict[str, float] = Field(
        description="level in the current epoch by sentinel, ms; without readings it is missing"
    )
    limit_pct: dict[str, float] = Field(
        description="drift limit by sentinel with the default settings of the agent, percent: 3, "
        "or twice the range of the readings that set the level"
    )
