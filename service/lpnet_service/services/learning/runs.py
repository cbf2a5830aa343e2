"""Runs as the worker sees them: claimed, held, ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.report import Report
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import RunRow
from lpnet_service.errors import LeaseLost
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.leases import LeaseRepository
from lpnet_service.repositories.runs import RunRepository, offer_order
from lpnet_service.services.measuring import campaigns, doubts
from lpnet_service.services.measuring.doubts import DoubtedWorkload
from lpnet_service.services.shared.context import Context


@dataclass(frozen=True)
class ClaimedRun:
    """A run that this worker holds under a lease."""

    id: str
    token: str
    kind: str
    target: str
    campaign: str | None
    params_json: str


@retried
def claim(ctx: Context) -> ClaimedRun | None:
    now, settings = ctx.clock.now(), ctx.settings
    with ctx.db.read() as session:
        runs = LeaseRepository(session, RunRow)
        if not runs.any_free(now=now, max_attempts=settings.max_attempts):
            return None
    with ctx.db.write() as session:
        row = LeaseRepository(session, RunRow).claim(
            order=offer_order(),
            now=now,
            lease_s=settings.run_lease_s,
            max_attempts=settings.max_attempts,
            values={"progress": 0.0, "stage": "started", "started_at": now},
        )
    if row is None or row.lease_token is None:
        return None
    return ClaimedRun(row.id, row.lease_token, row.kind, row.target, row.campaign, row.params_json)


@retried
def extend_lease(ctx: Context, run: ClaimedRun, progress: float, stage: str) -> None:
    """Extend the lease of a run and publish its progress. Raises LeaseLost if it was cancelled or
    taken over."""
    with ctx.db.write() as session:
        row = LeaseRepository(session, RunRow).extend(
            run.token,
            now=ctx.clock.now(),
            lease_s=ctx.settings.run_lease_s,
            values={"progress": min(max(progress, 0.0), 1.0), "stage": stage},
        )
    if row is None:
        raise LeaseLost


def lock_claimed(session: Session, run: ClaimedRun) -> RunRow:
    """The row of a run, locked. Raises LeaseLost if the lease is over."""
    row = LeaseRepository(session, RunRow).find_by_token(run.token, lock=True)
    if row is None or row.state != "running":
        raise LeaseLost
    return row


def finish(
    session: Session, ctx: Context, row: RunRow, report: Report | None, lpnet: str | None
) -> None:
    row.progress, row.stage = 1.0, None
    row.report_json = report.model_dump_json() if report else None
    row.lpnet = lpnet
    row.end("done", now=ctx.clock.now())


@retried
def finish_study(ctx: Context, run: ClaimedRun, report: Report) -> None:
    with ctx.db.write() as session:
        finish(session, ctx, lock_claimed(session, run), report, None)


@retried
def finish_plan(
    ctx: Context,
    run: ClaimedRun,
    workloads: list[PlannedWorkload],
    failures: list[str],
    doubted: Sequence[DoubtedWorkload] = (),
) -> None:
    """End a plan: the chosen networks and the doubted workloads become jobs.

    `failures` holds a reason for each network that could not be chosen.
    """
    assert run.campaign is not None
    now = ctx.clock.now()
    with ctx.db.write() as session:
        campaign = CampaignRepository(session).lock(run.campaign)
        row = lock_claimed(session, run)
        if campaign is None:
            raise LeaseLost
        finish(session, ctx, row, None, None)
        start = len(CampaignRepository(session).jobs(campaign.id))
        campaigns.add_jobs(session, campaign, workloads, now=now, start=start)
        later = start + len(workloads)
        doubts.add_jobs(session, campaign, doubted, now=now, start=later)
        for reason in failures:
            campaigns.add_unplanned(campaign, 1, reason)
        campaign.stage = "pruned"
        campaigns.advance(session, campaign, now)


@retried
def fail(ctx: Context, run: ClaimedRun, reason: str) -> None:
    """Fail a run. A campaign that was waiting for its plan ends without pruned networks."""
    with ctx.db.write() as session:
        if run.campaign is not None:
            CampaignRepository(session).lock(run.campaign)
        _fail(session, ctx, lock_claimed(session, run), reason)


def _fail(session: Session, ctx: Context, row: RunRow, reason: str) -> None:
    now = ctx.clock.now()
    row.error, row.stage = reason, None
    row.end("failed", now=now)
    campaign = CampaignRepository(session).get(row.campaign) if row.campaign else None
    if campaign is None or campaign.state != "running":
        return
    jobs = CampaignRepository(session).jobs(campaign.id)
    missing = campaign.total - campaign.unplanned - sum(job.items for job in jobs)
    campaigns.add_unplanned(campaign, missing, f"no pruned networks were chosen: {reason}")
    campaign.stage = "pruned"
    campaigns.advance(session, campaign, now)


@retried
def give_back(ctx: Context, run: ClaimedRun) -> None:
    """Release a run for another worker because this worker is stopping. The attempt does not
    count."""
    with ctx.db.write() as session:
        row = LeaseRepository(session, RunRow).find_by_token(run.token, lock=True)
        if row is not None and row.state == "running":
            row.release(available_at=ctx.clock.now(), count=False)


def sweep(ctx: Context) -> int:
    """Fail runs whose last permitted lease has expired; returns how many."""
    now, max_attempts = ctx.clock.now(), ctx.settings.max_attempts
    with ctx.db.read() as session:
        ids = LeaseRepository(session, RunRow).exhausted(now=now, max_attempts=max_attempts)
    for id_ in ids:
        _fail_exhausted(ctx, id_)
    return len(ids)


@retried
def _fail_exhausted(ctx: Context, id_: str) -> None:
    now, max_attempts = ctx.clock.now(), ctx.settings.max_attempts
    with ctx.db.write() as session:
        run = RunRepository(session).get(id_)
        if run is not None and run.campaign is not None:
            CampaignRepository(session).lock(run.campaign)
        row = LeaseRepository(session, RunRow).lock_exhausted(
            id_, now=now, max_attempts=max_attempts
        )
        if row is not None:
            _fail(session, ctx, row, f"its worker died {row.attempts} times")
