"""What a GPU was like while a workload was timed on it, and what that is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from typing import TypeVar

from lpnet.schemas.gpu import GpuConditions, SlowedBy
from lpnet_agent.gpu.device import GpuReading

T = TypeVar("T", int, float)

# A board that draws all the power it may, as small ones do under any load, is as it is set: its
# limit belongs to the target. What these tell of passes.
_PASSING: dict[SlowedBy, str] = {
    "hardware": "its hardware",
    "heat_driver": "heat",
    "heat_hardware": "heat",
    "power_brake": "its power supply",
}


def between(before: GpuReading, after: GpuReading) -> GpuConditions:
    """The conditions of the time between two readings."""
    seen = [one.slowed_by for one in (before, after) if one.slowed_by is not None]
    return GpuConditions(
        sm_before_mhz=before.sm_mhz,
        sm_mhz=after.sm_mhz,
        memory_before_mhz=before.memory_mhz,
        memory_mhz=after.memory_mhz,
        temperature_c=_of(max, (before.temperature_c, after.temperature_c)),
        power_w=_of(max, (before.power_w, after.power_w)),
        slowed_by=tuple(sorted(frozenset().union(*seen))) if seen else None,
        heat_s=_seconds(before.heat_ns, after.heat_ns),
        power_s=_seconds(before.power_ns, after.power_ns),
        persistence=after.persistence,
        others=_of(max, (before.others, after.others)),
    )


def together(parts: Sequence[GpuConditions | None]) -> GpuConditions | None:
    """Those of several visits as one: clocks averaged, times added, the worst of the rest. None
    where there was no GPU."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    seen = [part.slowed_by for part in known if part.slowed_by is not None]
    return GpuConditions(
        sm_before_mhz=_of(mean, (part.sm_before_mhz for part in known)),
        sm_mhz=_of(mean, (part.sm_mhz for part in known)),
        memory_before_mhz=_of(mean, (part.memory_before_mhz for part in known)),
        memory_mhz=_of(mean, (part.memory_mhz for part in known)),
        temperature_c=_of(max, (part.temperature_c for part in known)),
        power_w=_of(max, (part.power_w for part in known)),
        slowed_by=tuple(sorted({why for whys in seen for why in whys})) if seen else None,
        heat_s=_of(sum, (part.heat_s for part in known)),
        power_s=_of(sum, (part.power_s for part in known)),
        persistence=known[-1].persistence,
        others=_of(max, (part.others for part in known)),
    )


def refusal(seen: GpuConditions) -> str | None:
    """Why nothing that was timed meanwhile can be believed, or None."""
    whys = [_PASSING[why] for why in seen.slowed_by or () if why in _PASSING]
    if not whys and seen.heat_s:
        whys = ["heat"]
    return f"the GPU was slowed down by {whys[0]}" if whys else None


def company(seen: GpuConditions) -> str | None:
    """Who was there as well, or None."""
    return f"{seen.others} other processes on the GPU" if seen.others else None


def _seconds(before: int | None, after: int | None) -> float | None:
    """Of a counter in ns, which may begin anew."""
    if before is None or after is None or after < before:
        return None
    return (after - before) / 1e9


def _of(how: Callable[[list[T]], T], values: Iterable[T | None]) -> T | None:
    known = [value for value in values if value is not None]
    return how(known) if known else None
