"""What the visits to one network on a phone come to.

As in `measure.interference`: disturbances add time, so the fastest visits are believed once two of
them agree. What the single runs were like is not known here, only the figures of each call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from lpnet.schemas.sample import Measurement
from lpnet_agent.devices.adb.output import RESOLUTION_MS, Timing
from lpnet_agent.devices.adb.visit import PhoneVisit
from lpnet_agent.measure.conditions import together
from lpnet_agent.measure.interference import AGREEMENT, CONTENDED


def refusal(visited: PhoneVisit) -> str | None:
    """Why nothing of a visit can be believed, or None."""
    return "the CPU was throttled for heat" if visited.conditions.throttled else None


def company(visited: PhoneVisit, crowded: float) -> str | None:
    """Who was there as well, or None. `crowded`: the busy share of the other cores from which on
    they are company; 1: company is part of this device."""
    if crowded >= 1:
        return None
    elsewhere = visited.conditions.elsewhere_share
    if elsewhere is not None and elsewhere > crowded:
        return f"other cores {elsewhere:.0%} busy"
    share = visited.others_share
    if share is not None and share > CONTENDED:
        return f"others on its cores for {share:.0%} of their time"
    return None


def select_visits(
    seen: Sequence[PhoneVisit], crowded: float
) -> tuple[tuple[PhoneVisit, ...], tuple[str, ...]]:
    """The visits that the latency is taken from, and what is wrong, for people; nothing: it is
    settled."""
    usable = sorted((one for one in seen if refusal(one) is None), key=_median)
    agreeing = [one for one in usable if _agrees(one, usable[0])]
    around = [company(one, crowded) for one in agreeing]
    if len(agreeing) >= 2 and not all(around):
        return tuple(agreeing), ()
    reasons = list(dict.fromkeys(why for one in seen if (why := refusal(one)) is not None))
    if len(usable) > 1 and len(agreeing) < 2:
        medians = ", ".join(f"{_median(one):.4g}" for one in usable)
        reasons.append(f"its visits disagree: {medians} ms")
    if len(agreeing) >= 2:
        reasons.append(f"all visits that agree were in company: {around[0]}")
    return tuple(usable[:1] or seen), tuple(reasons or ["it was visited once only"])


def to_measurement(seen: Sequence[PhoneVisit], session: str, crowded: float) -> Measurement:
    """What all visits came to. The latency is the mean of the medians that are believed, weighted
    by their runs; an interval of it cannot be told from such figures."""
    believed, reasons = select_visits(seen, crowded)
    parts = [one.timing for one in believed]
    count = sum(part.count for part in parts)
    figures = {
        "visits_ms": tuple(_median(one) for one in seen),
        "plain_ms": _weighted([one.timing for one in seen]),
        "runs": sum(one.timing.count for one in seen),
        "wall_s": sum(one.timing.total_s for one in seen),
    }
    return Measurement(
        latency_ms=_weighted(parts),
        std_ms=_std(parts),
        count=count,
        min_ms=min(part.min_ms for part in parts),
        measured_at=datetime.now(UTC),
        session=session,
        disturbed=bool(reasons),
        reasons=reasons,
        conditions=together([one.conditions for one in seen]).model_copy(update=figures),
    )


def settled(seen: Sequence[PhoneVisit], crowded: float) -> bool:
    """Whether no further visit is needed."""
    return not select_visits(seen, crowded)[1]


def _median(one: PhoneVisit) -> float:
    return one.timing.median_ms


def _agrees(one: PhoneVisit, fastest: PhoneVisit) -> bool:
    """By a part of the faster, or by what the clock of benchmark_model can tell apart."""
    least = _median(fastest)
    return _median(one) <= max((1 + AGREEMENT) * least, least + RESOLUTION_MS)


def _weighted(parts: Sequence[Timing]) -> float:
    """Mean of the medians, weighted by their runs. Rounding must not lead out of them: no run may
    have been faster than a latency that they all have."""
    medians = [part.median_ms for part in parts]
    mean = sum(part.count * part.median_ms for part in parts) / sum(part.count for part in parts)
    return min(max(mean, min(medians)), max(medians))


def _std(parts: Sequence[Timing]) -> float:
    """Of all their runs together."""
    count = sum(part.count for part in parts)
    mean = sum(part.count * part.mean_ms for part in parts) / count
    squares = sum(part.count * (part.std_ms**2 + part.mean_ms**2) for part in parts) / count
    return math.sqrt(max(0.0, squares - mean**2))
