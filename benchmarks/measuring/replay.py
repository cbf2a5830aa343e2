"""The agent's rules, applied to recorded visits as if they were those of a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.measuring.recording import RecordedVisit, Recording
from benchmarks.measuring.truth import Truth
from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.interference import VisitRecord, select_visits
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.measure.timing import Visit

MAX_VISITS = 4


@dataclass(frozen=True)
class Replayed:
    """A sample as the agent would have taken it: its error relative to the truth, whether it was
    refused, the number of its visits, and the error of the median of all repeats of its first
    visit."""

    workload: int
    error: float
    refused: bool
    visits: int
    plain_error: float


def replay(
    recording: Recording,
    truths: dict[int, Truth],
    *,
    probed: bool = True,
    levels: ProbeLevels = UNKNOWN,
) -> Iterator[Replayed]:
    """Samples from the recorded visits to each workload, each visit used once. `levels` are those
    of the epoch before; without `probed` the probes are not looked at."""
    open_visits: dict[int, list[VisitRecord]] = {}
    for visit in recording.visits:
        truth = truths.get(visit.workload)
        if truth is None or not truth.known:
            continue
        if probed:
            levels = levels.improved(visit.repeats.probes)
        conditions = Conditions(elsewhere_share=visit.other_cores)
        records = open_visits.setdefault(visit.workload, [])
        records.append(VisitRecord(Visit(visit.repeats, warm=True), conditions))
        for record in records:
            record.compare(levels)
        selection = select_visits(records)
        if selection.settled or len(records) == MAX_VISITS:
            yield _sample(visit, records, selection.visits, selection.settled, truth)
            del open_visits[visit.workload]


def _sample(
    visit: RecordedVisit,
    records: list[VisitRecord],
    selected: tuple[VisitRecord, ...],
    settled: bool,
    truth: Truth,
) -> Replayed:
    counted = [record.values for record in selected if record.values.size]
    everything = [record.visit.repeats.ms for record in records]
    return Replayed(
        workload=visit.workload,
        error=truth.error(float(np.median(np.concatenate(counted or everything)))),
        refused=not settled,
        visits=len(records),
        plain_error=truth.error(float(np.median(everything[0]))),
    )
