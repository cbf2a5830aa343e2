"""Conditions of a GPU while a workload is timed on it, and whether its visit can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from typing import TypeVar

from lpnet.schemas.gpu import GpuConditions, SlowedBy
from lpnet_agent.gpu.device import GpuReading

T = TypeVar("T", int, float)

# Temporary causes. A power limit is not among them: small boards reach it under any load, and it
# belongs to the target.
_TEMPORARY: dict[SlowedBy, str] = {
    "hardware": "its hardware",
    "heat_driver": "heat",
    "heat_hardware": "heat",
    "power_brake": "its power supply",
}


def between(before: GpuReading, after: GpuReading) -> GpuConditions:
    return GpuConditions(
        sm_before_mhz=before.sm_mhz,
        sm_mhz=after.sm_mhz,
        memory_before_mhz=before.memory_mhz,
        memory_mhz=after.memory_mhz,
        temperature_c=_reduce(max, (before.temperature_c, after.temperature_c)),
        power_w=_reduce(max, (before.power_w, after.power_w)),
        slowed_by=_union((before.slowed_by, after.slowed_by)),
        heat_s=_difference_s(before.heat_ns, after.heat_ns),
        power_s=_difference_s(before.power_ns, after.power_ns),
        persistence=after.persistence,
        others=_reduce(max, (before.other_processes, after.other_processes)),
    )


def combine(parts: Sequence[GpuConditions | None]) -> GpuConditions | None:
    """The conditions of several visits combined: clocks are averaged, times are added, and of all
    other values the worst is kept. None without a GPU."""
    present = [part for part in parts if part is not None]
    if not present:
        return None
    return GpuConditions(
        sm_before_mhz=_reduce(mean, (part.sm_before_mhz for part in present)),
        sm_mhz=_reduce(mean, (part.sm_mhz for part in present)),
        memory_before_mhz=_reduce(mean, (part.memory_before_mhz for part in present)),
        memory_mhz=_reduce(mean, (part.memory_mhz for part in present)),
        temperature_c=_reduce(max, (part.temperature_c for part in present)),
        power_w=_reduce(max, (part.power_w for part in present)),
        slowed_by=_union(part.slowed_by for part in present),
        heat_s=_reduce(sum, (part.heat_s for part in present)),
        power_s=_reduce(sum, (part.power_s for part in present)),
        persistence=present[-1].persistence,
        others=_reduce(max, (part.others for part in present)),
    )


def rejection(conditions: GpuConditions) -> str | None:
    causes = [_TEMPORARY[cause] for cause in conditions.slowed_by or () if cause in _TEMPORARY]
    if not causes and conditions.heat_s:
        causes = ["heat"]
    return f"the GPU was slowed down by {causes[0]}" if causes else None


def other_load(conditions: GpuConditions) -> str | None:
    return f"{conditions.others} other processes on the GPU" if conditions.others else None


def _difference_s(before: int | None, after: int | None) -> float | None:
    """The increase of a counter in ns, s; None if it was reset."""
    if before is None or after is None or after < before:
        return None
    return (after - before) / 1e9


def _union(causes: Iterable[Iterable[SlowedBy] | None]) -> tuple[SlowedBy, ...] | None:
    present = [part for part in causes if part is not None]
    return tuple(sorted({cause for part in present for cause in part})) if present else None


def _reduce(function: Callable[[list[T]], T], values: Iterable[T | None]) -> T | None:
    present = [value for value in values if value is not None]
    return function(present) if present else None
