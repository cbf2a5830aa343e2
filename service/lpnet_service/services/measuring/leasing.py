"""Jobs under leases: offered to agents, held, completed, failed, taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.logs.secrets import lease_id
from lpnet.schemas.campaign import Completion, Extended, Heartbeat, JobFailure, Lease, LeasedItem
from lpnet.schemas.problem import FieldError
from lpnet.schemas.sample import IngestResult
from lpnet.schemas.workload import workload_key
from lpnet_service.db.rows import CampaignRow, JobRow, TargetRow
from lpnet_service.errors import DeviceBusy, LeaseLost, NotFound
from lpnet_service.repositories.campaigns import CampaignRepository, offer_order, on_ready_targets
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.leases import LeaseRepository
from lpnet_service.repositories.memory_failures import MemoryFailureRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.measuring import campaigns, ingest
from lpnet_service.services.measuring.agents import is_other_seat
from lpnet_service.services.shared.context import Context

_ITEMS = TypeAdapter(list[LeasedItem])
_SILENT = "the agent reported neither a sample nor a failure"


def check_agent(ctx: Context, agent: str, targets: Sequence[str], seat: str | None = None) -> None:
    """The agent is here, and asks for targets of its own. NotFound, BadRequest; DeviceBusy where
    another agent of its device has taken its place."""
    with ctx.db.write() as session:
        row = DeviceRepository(session).get_agent(agent)
        if row is None:
            raise NotFound("agent", agent)
        if is_other_seat(row, seat):
            raise DeviceBusy(row.device)
        fields.know(device=row.device)
        own = {
            target.name
            for target in DeviceRepository(session).list_targets()
            if target.device == row.device
        }
        row.last_seen_at = ctx.clock.now()
    ingest.raise_if_invalid(
        FieldError(field=f"targets.{index}", reason=f"{name!r} is not a target of this agent")
        for index, name in enumerate(targets)
        if name not in own
    )


def claim(ctx: Context, agent: str, targets: Sequence[str]) -> Lease | None:
    """A job for one of the targets, under a new lease; None where there is none.

    It looks before it locks: polls that find nothing must not keep writers waiting. A lease is of
    the items that still need a sample; a job that needs none is completed, and offered to nobody.
    """
    while (taken := _take(ctx, agent, targets)) is not None:
        job, items = taken
        _know(job)
        if items:
            return _lease(job, items, ctx.settings.lease_s)
        assert job.lease_token is not None
        with suppress(LeaseLost):  # its campaign was cancelled just now
            complete(ctx, job.lease_token, Completion())
    return None


def _take(
    ctx: Context, agent: str, targets: Sequence[str]
) -> tuple[JobRow, list[LeasedItem]] | None:
    """A job under a new lease, and those of its items that are to be measured."""
    now, settings = ctx.clock.now(), ctx.settings
    wanted = on_ready_targets(targets)
    with ctx.db.read() as session:
        most = settings.max_attempts
        if not LeaseRepository(session, JobRow).any_free(wanted, now=now, max_attempts=most):
            return None
    with ctx.db.write() as session:
        job = LeaseRepository(session, JobRow).claim(
            wanted,
            order=offer_order(),
            now=now,
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
            values={"agent": agent, "started_at": now},
        )
        if job is None:
            return None
        DeviceRepository(session).touch_agent(agent, now)
        items = _left(session, job)
        job.offered = len(items)
        _count(job, 0)
    return job, items


def _left(session: Session, job: JobRow) -> list[LeasedItem]:
    """Items without an undisturbed sample. Of a job that was completed before only those whose
    sample is disturbed: why the others have none is known."""
    items = _items(job)
    stored = SampleRepository(session).disturbed_by_id(job.target, [item.id for item in items])
    return [item for item in items if stored.get(item.id, not job.ended)]


def _count(job: JobRow, done: int) -> None:
    """How many workloads of a job have a sample, with `done` of those that were offered. Those of
    a job that was completed before all have one."""
    if not job.ended:
        job.measured = min(job.items - job.offered + done, job.items)


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


def _items(job: JobRow) -> list[LeasedItem]:
    return _ITEMS.validate_json(job.items_json)


def item_ids(job: JobRow) -> list[str]:
    """Ids of the items of a job, which are those of their samples."""
    return [item["id"] for item in json.loads(job.items_json)]


def heartbeat(ctx: Context, token: str, beat: Heartbeat) -> Extended:
    """Hold on to a lease. LeaseLost where it is over."""
    now, lease_s = ctx.clock.now(), ctx.settings.lease_s
    with ctx.db.write() as session:
        job = LeaseRepository(session, JobRow).extend(token, now=now, lease_s=lease_s)
        if job is None:
            raise LeaseLost
        _know(job)
        _count(job, beat.measured)
        _saw(session, job, now)
    return Extended(expires_s=lease_s)


def complete(ctx: Context, token: str, said: Completion) -> IngestResult:
    """End a job: its samples are stored, its failures counted. Repeating it is harmless.

    Raises LeaseLost where the lease is over, BadRequest for samples that are not of this job.
    """
    with ctx.db.read() as session:
        job = LeaseRepository(session, JobRow).find_by_token(token)
    if job is None:
        raise LeaseLost
    _know(job)
    _check(ctx, _items(job), said)
    now = ctx.clock.now()
    with ctx.db.write() as session:
        campaign, job = _held(session, token, job.campaign)
        target = DeviceRepository(session).get_target(job.target)
        assert target is not None
        result = ingest.add_samples(
            session,
            target,
            said.samples,
            now,
            campaign=campaign.id,
            again=True,
            current=_within_epoch(job, target),
        )
        if job.state == "running":
            _remember_unfit(session, job, target, said, now)
            _end(ctx, session, job, said, now)
            _saw(session, job, now)
            campaigns.advance(session, campaign, now)
    return result


def _within_epoch(job: JobRow, target: TargetRow) -> bool:
    """Whether the lease was given in the current epoch, whatever its agent's clock shows."""
    began = target.epoch_started_at
    return began is None or (job.started_at is not None and job.started_at >= began)


def _remember_unfit(
    session: Session, job: JobRow, target: TargetRow, said: Completion, now: datetime
) -> None:
    """Keep which workloads did not fit in the target's memory."""
    unfit = {failure.item for failure in said.failures if failure.out_of_memory}
    if not unfit:
        return
    epoch = target.epoch if _within_epoch(job, target) else target.epoch - 1
    rows = [
        {
            "target": target.name,
            "epoch": epoch,
            "workload_key": workload_key(item.workload),
            "workload_json": item.workload.model_dump_json(),
            "at": now,
        }
        for item in _items(job)
        if item.id in unfit
    ]
    MemoryFailureRepository(session).add(rows)


def _check(ctx: Context, items: Sequence[LeasedItem], said: Completion) -> None:
    ingest.check_workloads(ctx, said.samples)
    keys = {item.id: workload_key(item.workload) for item in items}
    faults = []
    for index, sample in enumerate(said.samples):
        if sample.sentinel:
            continue
        if sample.id not in keys:
            reason = f"{sample.id!r} is not an item of this job"
            faults.append(FieldError(field=f"samples.{index}.id", reason=reason))
        elif workload_key(sample.workload) != keys[sample.id]:
            reason = "this is not the workload of the item"
            faults.append(FieldError(field=f"samples.{index}.workload", reason=reason))
    for index, failure in enumerate(said.failures):
        if failure.item not in keys:
            reason = f"{failure.item!r} is not an item of this job"
            faults.append(FieldError(field=f"failures.{index}.item", reason=reason))
    ingest.raise_if_invalid(faults)


def _held(session: Session, token: str, campaign_id: str) -> tuple[CampaignRow, JobRow]:
    """The campaign and the job of a lease, both locked. LeaseLost where the lease is over."""
    campaign = CampaignRepository(session).lock(campaign_id)
    job = LeaseRepository(session, JobRow).find_by_token(token, lock=True)
    if campaign is None or job is None:
        raise LeaseLost
    return campaign, job


def _end(ctx: Context, session: Session, job: JobRow, said: Completion, now: datetime) -> None:
    """The job is done, or rests and is offered again for its disturbed items."""
    _settle(session, job, {failure.item: failure.reason for failure in said.failures}, _SILENT)
    job.ended += 1
    if job.disturbed and job.ended <= ctx.settings.disturbed_retries:
        pause = timedelta(seconds=ctx.settings.disturbed_retry_s)
        job.reopen(available_at=now + pause)
    else:
        job.end("done", now=now)


def _settle(session: Session, job: JobRow, reasons: Mapping[str, str], other: str) -> None:
    """Count what has a sample, and say why the rest has none: `reasons` by item, or `other`."""
    ids = item_ids(job)
    stored = SampleRepository(session).disturbed_by_id(job.target, ids)
    SampleRepository(session).assign_campaign(job.target, job.campaign, ids)
    job.measured, job.disturbed = len(stored), sum(stored.values())
    failures = [reasons.get(id_, other) for id_ in ids if id_ not in stored]
    if job.ended:
        # These were not offered again: they failed the first time.
        failures = json.loads(job.failures_json)[: len(failures)]
    job.failures_json = json.dumps(failures)


def fail(ctx: Context, token: str, said: JobFailure) -> None:
    """Give a job back undone. It is offered again, until it was tried too often; a job that was
    only postponed is offered again for ever. LeaseLost."""
    now, settings = ctx.clock.now(), ctx.settings
    with ctx.db.read() as session:
        seen = LeaseRepository(session, JobRow).find_by_token(token)
    if seen is None:
        raise LeaseLost
    _know(seen)
    with ctx.db.write() as session:
        campaign, job = _held(session, token, seen.campaign)
        if job.state != "running":
            raise LeaseLost
        _saw(session, job, now)
        if said.postponed or job.attempts < settings.max_attempts:
            pause = settings.retry_s * (1 if said.postponed else job.attempts)
            available_at = now + timedelta(seconds=pause)
            job.release(available_at=available_at, count=not said.postponed)
            _count(job, 0)
        else:
            _give_up(session, campaign, job, said.reason, now)


def _give_up(
    session: Session, campaign: CampaignRow, job: JobRow, reason: str, now: datetime
) -> None:
    """The job is given up. Items that were measured in spite of that count as measured; one that
    was completed before is done with what it had."""
    _settle(session, job, {}, reason)
    job.end("done" if job.ended else "failed", now=now)
    campaigns.advance(session, campaign, now)


def sweep(ctx: Context) -> int:
    """Fail jobs whose last permitted lease has expired; returns how many there were."""
    now, most = ctx.clock.now(), ctx.settings.max_attempts
    with ctx.db.read() as session:
        ids = LeaseRepository(session, JobRow).exhausted(now=now, max_attempts=most)
    for id_ in ids:
        with ctx.db.write() as session:
            seen = CampaignRepository(session).get_job(id_)
            campaign = CampaignRepository(session).lock(seen.campaign) if seen else None
            job = LeaseRepository(session, JobRow).lock_exhausted(id_, now=now, max_attempts=most)
            if campaign is not None and job is not None:
                reason = f"its agents went silent, {job.attempts} times"
                _give_up(session, campaign, job, reason, now)
    return len(ids)


def _know(job: JobRow) -> None:
    """Have the lines of this request name the job."""
    lease = job.lease_token and lease_id(job.lease_token)
    fields.know(job=job.id, lease=lease, campaign=job.campaign, target=job.target, agent=job.agent)


def _saw(session: Session, job: JobRow, now: datetime) -> None:
    if job.agent is not None:
        DeviceRepository(session).touch_agent(job.agent, now)
