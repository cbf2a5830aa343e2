"""The measurement from the visits to one network on a phone.

As in `measure.interference`, disturbances only add time, so the fastest visits count once two of
them agree. Single runs are unknown here; benchmark_model prints only statistics of each call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lpnet.schemas.sample import Measurement
from lpnet_agent.devices.adb.output import RESOLUTION_MS, BenchmarkTiming
from lpnet_agent.devices.adb.visit import PhoneVisit
from lpnet_agent.measure.conditions import combine
from lpnet_agent.measure.interference import (
    AGREEMENT,
    CONTENDED,
    ONLY_ONE_VISIT,
    THROTTLED,
    all_loaded,
    busy_other_cores,
    disagreeing,
)


@dataclass(frozen=True)
class PhoneVisitSelection:
    """The visits that the latency is computed from, and what is wrong with them; without reasons
    no further visit is needed."""

    visits: tuple[PhoneVisit, ...]
    reasons: tuple[str, ...]


def select_visits(visits: Sequence[PhoneVisit], crowded: float) -> PhoneVisitSelection:
    """`crowded` is the busy share of the other cores above which they count as other load; at 1,
    no other load counts."""
    usable = sorted((visit for visit in visits if _rejection(visit) is None), key=_median)
    agreeing = [visit for visit in usable if _agrees(visit, usable[0])]
    loads = [_other_load(visit, crowded) for visit in agreeing]
    if len(agreeing) >= 2 and not all(loads):
        return PhoneVisitSelection(tuple(agreeing), ())
    rejections = (_rejection(visit) for visit in visits)
    reasons = list(dict.fromkeys(reason for reason in rejections if reason is not None))
    if len(usable) > 1 and len(agreeing) < 2:
        reasons.append(disagreeing([_median(visit) for visit in usable]))
    if len(agreeing) >= 2:
        reasons.append(all_loaded(loads[0]))
    return PhoneVisitSelection(tuple(usable[:1] or visits), tuple(reasons or [ONLY_ONE_VISIT]))


def to_measurement(visits: Sequence[PhoneVisit], session: str, crowded: float) -> Measurement:
    """The measurement from all visits. Its latency is the mean of the selected medians, weighted
    by their runs. These statistics give no confidence interval."""
    selection = select_visits(visits, crowded)
    parts = [visit.timing for visit in selection.visits]
    figures = {
        "visits_ms": tuple(_median(visit) for visit in visits),
        "plain_ms": _weighted_median([visit.timing for visit in visits]),
        "runs": sum(visit.timing.count for visit in visits),
        "wall_s": sum(visit.timing.total_s for visit in visits),
    }
    return Measurement(
        latency_ms=_weighted_median(parts),
        std_ms=_pooled_std(parts),
        count=sum(part.count for part in parts),
        min_ms=min(part.min_ms for part in parts),
        measured_at=datetime.now(UTC),
        session=session,
        disturbed=bool(selection.reasons),
        reasons=selection.reasons,
        conditions=combine([visit.conditions for visit in visits]).model_copy(update=figures),
    )


def _rejection(visit: PhoneVisit) -> str | None:
    return THROTTLED if visit.conditions.throttled else None


def _other_load(visit: PhoneVisit, crowded: float) -> str | None:
    if crowded >= 1:
        return None
    busy_cores = busy_other_cores(visit.conditions, crowded)
    if busy_cores is not None:
        return busy_cores
    share = visit.other_share
    if share is not None and share > CONTENDED:
        return f"other work on its cores for {share:.0%} of their time"
    return None


def _median(visit: PhoneVisit) -> float:
    return visit.timing.median_ms


def _agrees(visit: PhoneVisit, fastest: PhoneVisit) -> bool:
    # A difference below the resolution of benchmark_model does not count.
    fastest_ms = _median(fastest)
    return _median(visit) <= max((1 + AGREEMENT) * fastest_ms, fastest_ms + RESOLUTION_MS)


def _weighted_median(parts: Sequence[BenchmarkTiming]) -> float:
    # Clipped, because rounding could leave the range of the medians.
    medians = [part.median_ms for part in parts]
    mean = sum(part.count * part.median_ms for part in parts) / sum(part.count for part in parts)
    return min(max(mean, min(medians)), max(medians))


def _pooled_std(parts: Sequence[BenchmarkTiming]) -> float:
    count = sum(part.count for part in parts)
    mean = sum(part.count * part.mean_ms for part in parts) / count
    squares = sum(part.count * (part.std_ms**2 + part.mean_ms**2) for part in parts) / count
    return math.sqrt(max(0.0, squares - mean**2))
