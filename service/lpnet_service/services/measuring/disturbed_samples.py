"""Marks samples as disturbed after the fact, when the device may have drifted already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from lpnet.schemas.sample import Sample
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.measuring.jobs import item_ids
from lpnet_service.services.shared import tallies
from lpnet_service.services.shared.context import Context


def mark(ctx: Context, target: str, epoch: int, since: datetime, reason: str) -> int:
    """Mark a target's samples of an epoch that were measured after `since` as disturbed.

    Their items are offered again while their campaign runs. Returns how many samples were marked.
    An agent repeats its report, so samples that arrive late are marked by the next call.
    """
    with ctx.db.read() as session:
        campaigns = SampleRepository(session).campaigns_undisturbed_since(target, epoch, since)
    return sum(_mark(ctx, target, epoch, id_, since, reason) for id_ in campaigns)


@retried
def _mark(
    ctx: Context, target: str, epoch: int, campaign_id: str | None, since: datetime, reason: str
) -> int:
    """Mark the samples of a campaign; it is locked before its jobs and samples, as in
    completion."""
    with ctx.db.write() as session:
        campaigns = CampaignRepository(session)
        campaign = campaigns.lock(campaign_id) if campaign_id is not None else None
        TallyRepository(session).lock(target)
        rows = SampleRepository(session).lock_undisturbed_since(target, epoch, campaign_id, since)
        with tallies.updated(session, target, {(epoch, row.workload_key) for row in rows}):
            mark_rows(rows, reason)
        if campaign is not None and campaign.state == "running":
            _reopen_jobs(session, campaign.id, {row.id for row in rows}, ctx.clock.now())
    return len(rows)


def mark_rows(rows: Sequence[SampleRow], reason: str) -> None:
    for row in rows:
        sample = Sample.model_validate_json(row.body_json)
        reasons = (*sample.reasons, reason)
        marked = sample.model_copy(update={"disturbed": True, "reasons": reasons})
        row.disturbed, row.body_json = True, marked.model_dump_json(exclude_none=True)
        row.group_key = tallies.group_key(
            row.target, row.epoch, row.kind, row.space, row.block, row.draw, True
        )


def _reopen_jobs(
    session: Session, campaign: str, sample_ids: Collection[str], now: datetime
) -> None:
    for job in CampaignRepository(session).jobs(campaign):
        marked = sum(id_ in sample_ids for id_ in item_ids(job))
        job.disturbed += marked if job.ended else 0
        if marked and job.state == "done":
            job.reopen(available_at=now)
