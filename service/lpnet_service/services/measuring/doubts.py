"""Doubted workloads: measured again, and which of their samples then count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy.orm import Session

from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.workload import workload_key
from lpnet_service.db.rows import CampaignRow, DoubtRow, JobRow, SampleRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.doubts import DoubtRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.measuring import campaigns, disturbed_samples
from lpnet_service.services.measuring.jobs import item_ids
from lpnet_service.services.shared import tallies

# Two sessions that differ by no more of their mean confirm each other.
AGREEMENT = 0.03


@dataclass(frozen=True)
class DoubtedWorkload:
    """A workload of an epoch that a fit without it did not explain; both latencies in ms."""

    planned: PlannedWorkload
    epoch: int
    measured_ms: float
    predicted_ms: float


def add_jobs(
    session: Session,
    campaign: CampaignRow,
    doubted: Sequence[DoubtedWorkload],
    *,
    now: datetime,
    start: int,
) -> None:
    """Have doubted workloads measured again by a campaign, in another session."""
    workloads = [workload.planned for workload in doubted]
    items = campaigns.add_jobs(
        session, campaign, workloads, now=now, fresh_session=True, start=start
    )
    campaign.total += len(items)
    for workload, item in zip(doubted, items, strict=True):
        DoubtRepository(session).add(
            DoubtRow(
                target=campaign.target,
                epoch=workload.epoch,
                workload_key=workload_key(item.workload),
                again=item.id,
                measured_ms=workload.measured_ms,
                predicted_ms=workload.predicted_ms,
            )
        )


def settle(session: Session, job: JobRow) -> None:
    """Decide about the doubted workloads that this job measured again.

    Disturbances only add time. So if both sessions disagree, the slower samples are marked as
    disturbed, and all are kept. The caller holds the lock of the job's campaign.
    """
    for doubt in DoubtRepository(session).unsettled(job.target, item_ids(job)):
        TallyRepository(session).lock(job.target)
        rows = SampleRepository(session).lock_trainable(
            doubt.target, doubt.epoch, doubt.workload_key
        )
        again = [row for row in rows if row.id == doubt.again]
        first = [row for row in rows if row.id != doubt.again]
        if again and first:
            _compare(session, job, doubt, first, again)


def _compare(
    session: Session,
    job: JobRow,
    doubt: DoubtRow,
    first: Sequence[SampleRow],
    again: Sequence[SampleRow],
) -> None:
    first_ms, again_ms = (median(row.latency_ms for row in rows) for rows in (first, again))
    if abs(first_ms - again_ms) <= AGREEMENT * (first_ms + again_ms) / 2:
        doubt.outcome = "confirmed"
        return
    slower, faster_ms = (first, again_ms) if first_ms > again_ms else (again, first_ms)
    doubt.outcome = "replaced" if slower is first else "kept"
    reason = (
        f"another session measured {faster_ms:.4g} ms, after a fit without this workload expected "
        f"{doubt.predicted_ms:.4g} ms"
    )
    with tallies.updated(session, doubt.target, {(doubt.epoch, doubt.workload_key)}):
        disturbed_samples.mark_rows(slower, reason)
    _count(session, job.campaign, {row.id for row in slower})


def _count(session: Session, campaign: str, sample_ids: set[str]) -> None:
    for job in CampaignRepository(session).jobs(campaign):
        job.disturbed += sum(id_ in sample_ids for id_ in item_ids(job))
