"""Taking back what a device measured while it may have drifted already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from lpnet.schemas.sample import Sample
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.measuring.leasing import item_ids
from lpnet_service.services.shared import tallies
from lpnet_service.services.shared.context import Context


def cast(ctx: Context, target: str, epoch: int, since: datetime, reason: str) -> int:
    """Mark a target's samples of an epoch that were measured after `since` as disturbed, for this
    reason, and offer their items again where their campaign goes on; returns how many there were.

    An agent that repeats its report repeats this too: samples that came late are found then.
    """
    with ctx.db.read() as session:
        campaigns = SampleRepository(session).campaigns_undisturbed_since(target, epoch, since)
    count = 0
    # One by one, each locked before its jobs and samples, as by whoever completes a job.
    for id_ in campaigns:
        with ctx.db.write() as session:
            campaign = CampaignRepository(session).lock(id_) if id_ is not None else None
            TallyRepository(session).lock(target)
            rows = SampleRepository(session).lock_undisturbed_since(target, epoch, id_, since)
            with tallies.kept(session, target, {(epoch, row.workload_key) for row in rows}):
                _mark(rows, reason)
            if campaign is not None and campaign.state == "running":
                _reopen(session, campaign.id, {row.id for row in rows}, ctx.clock.now())
            count += len(rows)
    return count


def _mark(rows: Sequence[SampleRow], reason: str) -> None:
    for row in rows:
        said = Sample.model_validate_json(row.body_json)
        said = said.model_copy(update={"disturbed": True, "reasons": (*said.reasons, reason)})
        row.disturbed, row.body_json = True, said.model_dump_json(exclude_none=True)
        row.group_key = tallies.group_key(
            row.target, row.epoch, row.kind, row.space, row.block, row.draw, True
        )


def _reopen(session: Session, campaign: str, marked: Collection[str], now: datetime) -> None:
    for job in CampaignRepository(session).jobs(campaign):
        lost = sum(id_ in marked for id_ in item_ids(job))
        job.disturbed += lost if job.ended else 0
        if lost and job.state == "done":
            job.reopen(available_at=now)
