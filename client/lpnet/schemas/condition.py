"""The condition of a target: whether it may be measured on, and how its sentinels are doing.

A sentinel is a small workload that never changes, timed every so often. Its level is what it took
when the epoch began; drift away from that level, past the sentinel's limit, says that the device
is not the one it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lpnet.schemas.base import Name, Time, Wire
from lpnet.schemas.device import MachineId
from lpnet.schemas.sample import Sentinel

Condition = Literal["ready", "paused", "broken"]
Cause = Literal["sentinel", "owner", "room", "device"]

LEVEL_READINGS = 5
DRIFT_LIMIT_PCT = 3.0
# Of normal readings one in 90 is further from the median of five others than twice their range,
# and of two in a row both are in one case of 500.
_RANGES = 2.0


def level(latencies: Iterable[float]) -> float | None:
    """Level of a sentinel, ms: the median of its first readings of an epoch.

    `latencies` are those of the undisturbed readings, oldest first. None where there are none;
    with fewer than LEVEL_READINGS it is the median of those, and not final.
    """
    first = list(islice(latencies, LEVEL_READINGS))
    return median(first) if first else None


def limit_pct(first: Iterable[float], least_pct: float = DRIFT_LIMIT_PCT) -> float:
    """Drift past which a sentinel says that its device has changed, percent, either way.

    It is `least_pct`, or twice the range of the readings that make the level where that is more:
    on a device whose readings scatter so much, a smaller drift is no news.
    """
    made = list(islice(first, LEVEL_READINGS))
    ms = level(made)
    return (
        least_pct if ms is None else max(least_pct, 100 * _RANGES * (max(made) - min(made)) / ms)
    )


def drift_pct(latency_ms: float, level_ms: float) -> float:
    """How far a reading is above its level, percent; negative below it."""
    return 100.0 * (latency_ms / level_ms - 1.0)


class ConditionReport(Wire):
    """An agent says whether a target of its may be measured on."""

    target: Name = Field(description="target of this agent")
    state: Condition = Field(
        description="ready; paused: not now, it will go on by itself; broken: somebody has to look"
    )
    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description="why, for people; needed unless it is ready"
    )
    cleared: Annotated[int, Field(ge=0)] = Field(
        default=0, description="how many clearings of this target the agent has acted on"
    )
    cause: Cause | None = Field(
        default=None,
        description="what keeps it: its sentinels; its owner (pause, hours, load, heat, ...); the "
        "room left on its disk; the device itself, which cannot be reached; null: not said, or "
        "ready",
    )
    since: Time | None = Field(
        default=None,
        description="the last good check before a drift: what was measured after it is not "
        "proven; null: nothing is in doubt",
    )
    seat: MachineId | None = Field(
        default=None, description="seat that the agent registered with; null: not told apart"
    )

    @model_validator(mode="after")
    def _says_why(self) -> ConditionReport:
        if self.state != "ready" and self.reason is None:
            raise ValueError(f"reason: a target that is {self.state} needs one")
        return self


class Acknowledged(Wire):
    """What the service holds of a target whose condition was reported."""

    cleared: int = Field(
        description="times that a person has cleared this target; more than the agent said: "
        "forget the level and the condition, what is measured now is normal"
    )
    epoch: int = Field(description="current epoch of the target")


class SentinelReading(Wire):
    """One reading of a sentinel."""

    sentinel: Sentinel = Field(description="which of the two")
    latency_ms: float = Field(description="median latency, ms")
    drift_pct: float | None = Field(
        description="above the level of its own epoch, percent; null for the readings that make "
        "the level"
    )
    disturbed: bool = Field(description="disturbed: nothing is concluded from it")
    measured_at: Time = Field(description="when it was taken, or stored if nobody recorded that")
    epoch: int = Field(description="epoch of the target")
    session: str | None = Field(description="the measuring process; null: not recorded")


class SentinelHistory(Wire):
    """How the sentinels of a target have been doing."""

    items: tuple[SentinelReading, ...] = Field(description="readings, newest first")
    level_ms: dict[str, float] = Field(
        description="level in the current epoch by sentinel, ms; one without readings is missing"
    )
    limit_pct: dict[str, float] = Field(
        description="drift that pauses the target, by sentinel, percent, of an agent with the "
        "usual settings: 3, or twice the range of the readings that make the level"
    )
