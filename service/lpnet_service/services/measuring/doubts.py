"""Doubted workloads: measured again, and which of their samples then count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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

# Samples that are slower than the fastest by no more than this share agree with it.
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

    Disturbances only add time. So samples that are slower than the fastest, and do not agree with
    it, are marked as disturbed. All are kept. The caller holds the lock of the job's campaign.
    """
    for doubt in DoubtRepository(session).unsettled(job.target, item_ids(job)):
        TallyRepository(session).lock(job.target)
        rows = SampleRepository(session).lock_trainable(
            doubt.target, doubt.epoch, doubt.workload_key
        )
        is_again = [row.id == doubt.again for row in rows]
        if any(is_again) and not all(is_again):
            _compare(session, job, doubt, rows)


def _compare(session: Session, job: JobRow, doubt: DoubtRow, rows: Sequence[SampleRow]) -> None:
    fastest_ms = min(row.latency_ms for row in rows)
    slower = [row for row in rows if row.latency_ms > (1 + AGREEMENT) * fastest_ms]
    if not slower:
        doubt.outcome = "confirmed"
        return
    doubt.outcome = "kept" if all(row.id == doubt.again for row in slower) else "replaced"
    reason = (
        f"another session measured {fastest_ms:.4g} ms, after a fit without this workload "
        f"expected {doubt.predicted_ms:.4g} ms"
    )
    with tallies.updated(session, doubt.target, {(doubt.epoch, doubt.workload_key)}):
        disturbed_samples.mark_rows(slower, reason)
    _count(session, job.campaign, {row.id for row in slower})


def _count(session: Session, campaign: str, sample_ids: set[str]) -> None:
    for job in CampaignRepository(session).jobs(campaign):
        job.disturbed += sum(id_ in sample_ids for id_ in item_ids(job))
