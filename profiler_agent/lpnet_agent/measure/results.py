"""What the visits to a workload come to: a measurement, and the sample that travels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from lpnet.schemas.sample import Conditions, Measurement, Sample
from lpnet_agent.measure.conditions import together
from lpnet_agent.measure.interference import VisitRecord, VisitSelection
from lpnet_agent.measure.messages import Item
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.statistics import summarise


def to_sample(item: Item, id_: str, found: Measurement) -> Sample:
    """A measurement of a workload, as it travels."""
    return Sample(
        kind=item.kind,
        workload=item.workload,
        id=id_,
        draw=item.draw,
        sentinel=item.sentinel,
        **{name: getattr(found, name) for name in Measurement.model_fields},
    )


def to_measurement(
    seen: Sequence[VisitRecord], verdict: VisitSelection, session: str
) -> Measurement:
    """What all visits came to. Where no repeat counts, the latency is that of all repeats: it is
    marked as disturbed."""
    counted = [one.values for one in verdict.believed if one.values.size]
    summary = summarise(counted or [one.visit.repeats.ms for one in seen])
    return Measurement(
        latency_ms=summary.median,
        std_ms=summary.std,
        count=summary.count,
        p10_ms=summary.p10,
        p90_ms=summary.p90,
        min_ms=summary.least,
        ci_low_ms=summary.ci_low,
        ci_high_ms=summary.ci_high,
        converged=summary.precision <= TimingPlan.precision,
        measured_at=datetime.now(UTC),
        session=session,
        disturbed=not verdict.settled,
        reasons=verdict.reasons,
        conditions=_conditions(seen).model_copy(update={"event_ms": _event_ms(verdict.believed)}),
    )


def _event_ms(believed: Sequence[VisitRecord]) -> float | None:
    """Median over the visits by the device's own clock; None where it has none, or all took less
    than it can tell."""
    known = [one.visit.device_ms for one in believed if one.visit.device_ms is not None]
    return float(np.median(np.concatenate(known))) or None if known else None


def _conditions(seen: Sequence[VisitRecord]) -> Conditions:
    """What was read around all visits, and what became of their repeats."""
    repeats = [one.visit.repeats for one in seen]
    waited = [part.waited for part in repeats if part.waited is not None]
    taken = sum(len(part) for part in repeats)
    undisturbed = sum(int(one.undisturbed.sum()) for one in seen)
    figures = {
        "visits_ms": tuple(one.median_ms for one in seen if one.median_ms is not None),
        "plain_ms": float(np.median(np.concatenate([part.ms for part in repeats]))),
        "runs": taken,
        "waiting_runs": taken - undisturbed,
        "slow_runs": undisturbed - sum(int(one.counted.sum()) for one in seen),
        "wall_s": sum(float(part.wall.sum()) for part in repeats) / 1e9,
        "cpu_s": sum(float(part.cpu.sum()) for part in repeats) / 1e9,
        "waited_s": sum(float(part.sum()) for part in waited) / 1e9 if waited else None,
    }
    return together([one.conditions for one in seen]).model_copy(update=figures)
