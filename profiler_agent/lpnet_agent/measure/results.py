"""Results of the visits to a workload: a measurement, and the sample that is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from lpnet.schemas.sample import Conditions, Measurement, Sample
from lpnet_agent.measure.conditions import combine
from lpnet_agent.measure.interference import VisitRecord, VisitSelection
from lpnet_agent.measure.messages import AnyRequest, Item, VisitResult, WorkloadRequest
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.statistics import summarise


def to_result(request: AnyRequest, id_: str, measurement: Measurement | None) -> VisitResult:
    """Without a measurement, another visit is needed."""
    if measurement is not None and isinstance(request, WorkloadRequest):
        return VisitResult(sample=to_sample(request.item, id_, measurement))
    return VisitResult(measurement=measurement)


def to_sample(item: Item, id_: str, measurement: Measurement) -> Sample:
    return Sample(
        kind=item.kind,
        workload=item.workload,
        id=id_,
        draw=item.draw,
        sentinel=item.sentinel,
        **{name: getattr(measurement, name) for name in Measurement.model_fields},
    )


def to_measurement(
    records: Sequence[VisitRecord], selection: VisitSelection, session: str
) -> Measurement:
    """The measurement from all visits. If no repeat counts, the latency is that of all repeats,
    and the measurement is marked as disturbed."""
    counted = [record.values for record in selection.visits if record.values.size]
    summary = summarise(counted or [record.visit.repeats.ms for record in records])
    event_ms = _event_ms(selection.visits)
    return Measurement(
        latency_ms=summary.median,
        std_ms=summary.std,
        count=summary.count,
        p10_ms=summary.p10,
        p90_ms=summary.p90,
        min_ms=summary.minimum,
        ci_low_ms=summary.ci_low,
        ci_high_ms=summary.ci_high,
        converged=summary.precision <= TimingPlan.precision,
        measured_at=datetime.now(UTC),
        session=session,
        disturbed=not selection.settled,
        reasons=selection.reasons,
        conditions=_conditions(records, selection.visits).model_copy(
            update={"event_ms": event_ms}
        ),
    )


def _event_ms(selected: Sequence[VisitRecord]) -> float | None:
    """Median by the device's own clock; None if it has none, or if its resolution is too low."""
    times = [record.visit.device_ms for record in selected if record.visit.device_ms is not None]
    return float(np.median(np.concatenate(times))) or None if times else None


def _arithmetic_ns(selected: Sequence[VisitRecord]) -> float | None:
    """Median of the probes of the selected visits; None without probes."""
    probes = [record.visit.repeats.probes for record in selected]
    times = [each.arithmetic_ns for each in probes if each is not None]
    return float(np.median(np.concatenate(times))) if times else None


def _conditions(records: Sequence[VisitRecord], selected: Sequence[VisitRecord]) -> Conditions:
    repeats = [record.visit.repeats for record in records]
    waited = [part.waited for part in repeats if part.waited is not None]
    total = sum(len(part) for part in repeats)
    undisturbed = sum(int(record.undisturbed.sum()) for record in records)
    slowed = sum(int((record.undisturbed & record.slowed).sum()) for record in records)
    counted = sum(int(record.counted.sum()) for record in records)
    figures = {
        "visits_ms": tuple(record.median_ms for record in records if record.median_ms is not None),
        "plain_ms": float(np.median(np.concatenate([part.ms for part in repeats]))),
        "runs": total,
        "waiting_runs": total - undisturbed,
        "slow_runs": undisturbed - counted - slowed,
        "slowed_runs": slowed,
        "arithmetic_ns": _arithmetic_ns(selected),
        "wall_s": sum(float(part.wall.sum()) for part in repeats) / 1e9,
        "cpu_s": sum(float(part.cpu.sum()) for part in repeats) / 1e9,
        "waited_s": sum(float(part.sum()) for part in waited) / 1e9 if waited else None,
    }
    return combine([record.conditions for record in records]).model_copy(update=figures)
