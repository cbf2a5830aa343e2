"""Jobs under leases: offered to agents, held, returned, taken away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.schemas.campaign import (
    Completion,
    Heartbeat,
    JobFailure,
    Lease,
    LeasedItem,
    LeaseExtension,
)
from lpnet.schemas.problem import FieldError
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import CampaignRow, JobRow
from lpnet_service.errors import DeviceBusy, LeaseLost, NotFound
from lpnet_service.repositories.campaigns import CampaignRepository, offer_order, on_ready_targets
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.leases import LeaseRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.measuring import campaigns, ingest, presence
from lpnet_service.services.measuring.agents import is_other_seat
from lpnet_service.services.measuring.job_completion import complete, count_results
from lpnet_service.services.measuring.jobs import (
    bind_log_fields,
    items_of,
    lock_leased,
    touch_agent,
)
from lpnet_service.services.shared.context import Context


def check_agent(ctx: Context, agent: str, targets: Sequence[str], seat: str | None = None) -> None:
    """Check that an agent may request jobs of these targets.

    Raises BadRequest for targets of other devices, DeviceBusy if another agent of the device has
    replaced this one.
    """
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_agent(agent)
        if row is None:
            raise NotFound("agent", agent)
        if is_other_seat(row, seat):
            raise DeviceBusy(row.device)
        fields.bind(device=row.device)
        own = DeviceRepository(session).target_names_of(row.device)
    if abs(ctx.clock.now() - row.last_seen_at) >= presence.touch_period(ctx):
        presence.touch(ctx, [agent])
    ingest.raise_if_invalid(
        FieldError(field=f"targets.{index}", reason=f"{name!r} is not a target of this agent")
        for index, name in enumerate(targets)
        if name not in own
    )


def targets_with_jobs(ctx: Context) -> Sequence[str]:
    """Ready targets that have a job to offer now."""
    with ctx.db.read() as session:
        jobs = LeaseRepository(session, JobRow)
        is_free = jobs.is_free(ctx.clock.now(), ctx.settings.max_attempts)
        return CampaignRepository(session).ready_targets_with_job(is_free)


def claim(ctx: Context, agent: str, targets: Sequence[str]) -> Lease | None:
    """A job for one of the targets, under a new lease; None if there is none.

    The lease holds the items that still need a sample. A job without such items is completed, and
    the next one is tried.
    """
    while (claimed := _claim_job(ctx, agent, targets)) is not None:
        job, items = claimed
        bind_log_fields(job)
        if items:
            return _lease(job, items, ctx.settings.lease_s)
        with suppress(LeaseLost):  # its campaign was cancelled in between
            complete(ctx, job, Completion())
    return None


@retried
def _claim_job(
    ctx: Context, agent: str, targets: Sequence[str]
) -> tuple[JobRow, list[LeasedItem]] | None:
    now, settings = ctx.clock.now(), ctx.settings
    on_targets = on_ready_targets(targets)
    # Read before locking: polls that find no job must not make writers wait.
    with ctx.db.read() as session:
        jobs = LeaseRepository(session, JobRow)
        if not jobs.any_free(on_targets, now=now, max_attempts=settings.max_attempts):
            return None
    with ctx.db.write() as session:
        job = LeaseRepository(session, JobRow).claim(
            on_targets,
            order=offer_order(),
            now=now,
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
            values={"agent": agent, "started_at": now},
        )
        if job is None:
            return None
        DeviceRepository(session).touch_agents([agent], now)
        items = _items_to_measure(session, job)
        job.offered = len(items)
        _count_measured(job, 0)
    return job, items


def _items_to_measure(session: Session, job: JobRow) -> list[LeasedItem]:
    """Items without an undisturbed sample.

    In a job that was completed before, only items with a disturbed sample count. The reasons for
    the other missing samples are already known.
    """
    items = items_of(job)
    disturbed = SampleRepository(session).disturbed_by_id(job.target, [item.id for item in items])
    return [item for item in items if disturbed.get(item.id, not job.ended)]


def _count_measured(job: JobRow, measured: int) -> None:
    """Update `job.measured`, given how many of the offered items were `measured`. After a first
    completion, all items are counted already."""
    if not job.ended:
        job.measured = min(job.items - job.offered + measured, job.items)


def _lease(job: JobRow, items: Sequence[LeasedItem], expires_s: float) -> Lease:
    assert job.lease_token is not None
    return Lease(
        token=job.lease_token,
        job=job.id,
        campaign=job.campaign,
        target=job.target,
        expires_s=expires_s,
        fresh_session=job.fresh_session,
        items=tuple(items),
    )


def find_job(ctx: Context, token: str, *, device: str | None = None) -> JobRow:
    """The job that is held, or was completed, under a lease; with `device`, only a job of that
    device. Raises LeaseLost."""
    with ctx.db.read() as session:
        job = LeaseRepository(session, JobRow).find_by_token(token)
        if job is None:
            raise LeaseLost
        if device is not None:
            target = DeviceRepository(session).get_target(job.target)
            if target is None or target.device != device:
                raise LeaseLost
    return job


@retried
def heartbeat(ctx: Context, token: str, beat: Heartbeat) -> LeaseExtension:
    """Extend a lease. Raises LeaseLost."""
    now, lease_s = ctx.clock.now(), ctx.settings.lease_s
    with ctx.db.write() as session:
        job = LeaseRepository(session, JobRow).extend(token, now=now, lease_s=lease_s)
        if job is None:
            raise LeaseLost
        bind_log_fields(job)
        _count_measured(job, beat.measured)
        touch_agent(session, job, now)
    return LeaseExtension(expires_s=lease_s)


@retried
def fail(ctx: Context, job: JobRow, failure: JobFailure) -> None:
    """Return an unfinished job. It is offered again until its attempts are used up; a postponed
    job is always offered again. `job` comes from `find_job`. Raises LeaseLost."""
    now, settings = ctx.clock.now(), ctx.settings
    bind_log_fields(job)
    with ctx.db.write() as session:
        campaign, job = lock_leased(session, job)
        if job.state != "running":
            raise LeaseLost
        if failure.postponed or job.attempts < settings.max_attempts:
            pause = settings.retry_s * (1 if failure.postponed else job.attempts)
            available_at = now + timedelta(seconds=pause)
            job.release(available_at=available_at, count=not failure.postponed)
            _count_measured(job, 0)
        else:
            _give_up(session, campaign, job, failure.reason, now)
        touch_agent(session, job, now)


def _give_up(
    session: Session, campaign: CampaignRow, job: JobRow, reason: str, now: datetime
) -> None:
    """Fail a job permanently, or end it as done if it was completed before. Items that have a
    sample count as measured."""
    count_results(session, job, {}, reason)
    job.end("done" if job.ended else "failed", now=now)
    campaigns.advance(session, campaign, now)


def sweep(ctx: Context) -> int:
    """Fail jobs whose last permitted lease has expired; returns how many."""
    now, max_attempts = ctx.clock.now(), ctx.settings.max_attempts
    with ctx.db.read() as session:
        ids = LeaseRepository(session, JobRow).exhausted(now=now, max_attempts=max_attempts)
    for id_ in ids:
        _give_up_exhausted(ctx, id_)
    return len(ids)


@retried
def _give_up_exhausted(ctx: Context, id_: str) -> None:
    now, max_attempts = ctx.clock.now(), ctx.settings.max_attempts
    with ctx.db.write() as session:
        repository = CampaignRepository(session)
        row = repository.get_job(id_)
        campaign = repository.lock(row.campaign) if row else None
        job = LeaseRepository(session, JobRow).lock_exhausted(
            id_, now=now, max_attempts=max_attempts
        )
        if campaign is not None and job is not None:
            reason = f"its agents fell silent {job.attempts} times"
            _give_up(session, campaign, job, reason, now)
