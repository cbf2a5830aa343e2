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
_NOT_REPORTED = "the agent reported neither a sample nor a failure"


def check_agent(ctx: Context, agent: str, targets: Sequence[str], seat: str | None = None) -> None:
    """Check that an agent may ask for jobs of these targets.

    Raises NotFound for an unknown agent, BadRequest for targets of other devices, DeviceBusy if
    another agent of the device has replaced this one.
    """
    with ctx.db.write() as session:
        row = DeviceRepository(session).get_agent(agent)
        if row is None:
            raise NotFound("agent", agent)
        if is_other_seat(row, seat):
            raise DeviceBusy(row.device)
        fields.bind(device=row.device)
        all_targets = DeviceRepository(session).list_targets()
        own = {target.name for target in all_targets if target.device == row.device}
        row.last_seen_at = ctx.clock.now()
    ingest.raise_if_invalid(
        FieldError(field=f"targets.{index}", reason=f"{name!r} is not a target of this agent")
        for index, name in enumerate(targets)
        if name not in own
    )


def claim(ctx: Context, agent: str, targets: Sequence[str]) -> Lease | None:
    """A job for one of the targets, under a new lease; None if there is none.

    The lease holds the items that still need a sample. A job without such items is completed, and
    the next one is tried.
    """
    while (claimed := _claim_job(ctx, agent, targets)) is not None:
        job, items = claimed
        _bind_log_fields(job)
        if items:
            return _lease(job, items, ctx.settings.lease_s)
        with suppress(LeaseLost):  # its campaign was cancelled in between
            complete(ctx, job, Completion())
    return None


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
        DeviceRepository(session).touch_agent(agent, now)
        items = _items_to_measure(session, job)
        job.offered = len(items)
        _count_measured(job, 0)
    return job, items


def _items_to_measure(session: Session, job: JobRow) -> list[LeasedItem]:
    """Items without an undisturbed sample.

    In a job that was completed before, only items with a disturbed sample count: the reason why
    the others have no sample is known.
    """
    items = _items(job)
    disturbed = SampleRepository(session).disturbed_by_id(job.target, [item.id for item in items])
    return [item for item in items if disturbed.get(item.id, not job.ended)]


def _count_measured(job: JobRow, measured: int) -> None:
    """Update `job.measured`, with `measured` of the offered items. All items of a job that was
    completed before count already."""
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


def _items(job: JobRow) -> list[LeasedItem]:
    return _ITEMS.validate_json(job.items_json)


def item_ids(job: JobRow) -> list[str]:
    """Ids of the items of a job; their samples have the same ids."""
    return [item["id"] for item in json.loads(job.items_json)]


def find_job(ctx: Context, token: str, *, device: str | None = None) -> JobRow:
    """The job that is held, or was completed, under a lease; with `device`, only if it is a job
    of that device. Raises LeaseLost."""
    with ctx.db.read() as session:
        job = LeaseRepository(session, JobRow).find_by_token(token)
        if job is None:
            raise LeaseLost
        if device is not None:
            target = DeviceRepository(session).get_target(job.target)
            if target is None or target.device != device:
                raise LeaseLost
    return job


def heartbeat(ctx: Context, token: str, beat: Heartbeat) -> Extended:
    """Extend a lease. Raises LeaseLost."""
    now, lease_s = ctx.clock.now(), ctx.settings.lease_s
    with ctx.db.write() as session:
        job = LeaseRepository(session, JobRow).extend(token, now=now, lease_s=lease_s)
        if job is None:
            raise LeaseLost
        _bind_log_fields(job)
        _count_measured(job, beat.measured)
        _touch_agent(session, job, now)
    return Extended(expires_s=lease_s)


def complete(ctx: Context, job: JobRow, completion: Completion) -> IngestResult:
    """End a job: store its samples, count its failures. Repeating it is harmless.

    `job` is as `find_job` returns it. Raises LeaseLost, or BadRequest for samples that do not
    belong to the job.
    """
    _bind_log_fields(job)
    _check_completion(ctx, _items(job), completion)
    now = ctx.clock.now()
    with ctx.db.write() as session:
        campaign, job = _lock_leased(session, job)
        target = DeviceRepository(session).get_target(job.target)
        assert target is not None
        result = ingest.add_samples(
            session,
            target,
            completion.samples,
            now,
            campaign=campaign.id,
            again=True,
            current=_is_of_current_epoch(job, target),
        )
        if job.state == "running":
            _add_memory_failures(session, job, target, completion, now)
            _end_or_reopen(ctx, session, job, completion, now)
            _touch_agent(session, job, now)
            campaigns.advance(session, campaign, now)
    return result


def _is_of_current_epoch(job: JobRow, target: TargetRow) -> bool:
    """Whether the lease was given in the current epoch, whatever the agent's clock says."""
    started_at = target.epoch_started_at
    return started_at is None or (job.started_at is not None and job.started_at >= started_at)


def _add_memory_failures(
    session: Session, job: JobRow, target: TargetRow, completion: Completion, now: datetime
) -> None:
    failed = {failure.item for failure in completion.failures if failure.out_of_memory}
    if not failed:
        return
    epoch = target.epoch if _is_of_current_epoch(job, target) else target.epoch - 1
    rows = [
        {
            "target": target.name,
            "epoch": epoch,
            "workload_key": workload_key(item.workload),
            "workload_json": item.workload.model_dump_json(),
            "at": now,
        }
        for item in _items(job)
        if item.id in failed
    ]
    MemoryFailureRepository(session).add(rows)


def _check_completion(ctx: Context, items: Sequence[LeasedItem], completion: Completion) -> None:
    ingest.check_workloads(ctx, completion.samples)
    keys = {item.id: workload_key(item.workload) for item in items}
    errors = []
    for index, sample in enumerate(completion.samples):
        if sample.sentinel:
            continue
        if sample.id not in keys:
            reason = f"{sample.id!r} is not an item of this job"
            errors.append(FieldError(field=f"samples.{index}.id", reason=reason))
        elif workload_key(sample.workload) != keys[sample.id]:
            reason = "this is not the workload of the item"
            errors.append(FieldError(field=f"samples.{index}.workload", reason=reason))
    for index, failure in enumerate(completion.failures):
        if failure.item not in keys:
            reason = f"{failure.item!r} is not an item of this job"
            errors.append(FieldError(field=f"failures.{index}.item", reason=reason))
    ingest.raise_if_invalid(errors)


def _lock_leased(session: Session, job: JobRow) -> tuple[CampaignRow, JobRow]:
    """The campaign and the job, both locked in this order. Raises LeaseLost if the job has
    another lease by now."""
    assert job.lease_token is not None
    campaign = CampaignRepository(session).lock(job.campaign)
    locked = LeaseRepository(session, JobRow).find_by_token(job.lease_token, lock=True)
    if campaign is None or locked is None:
        raise LeaseLost
    return campaign, locked


def _end_or_reopen(
    ctx: Context, session: Session, job: JobRow, completion: Completion, now: datetime
) -> None:
    """End the job, or offer its disturbed items again after a pause."""
    reasons = {failure.item: failure.reason for failure in completion.failures}
    _count_results(session, job, reasons, _NOT_REPORTED)
    job.ended += 1
    if job.disturbed and job.ended <= ctx.settings.disturbed_retries:
        pause = timedelta(seconds=ctx.settings.disturbed_retry_s)
        job.reopen(available_at=now + pause)
    else:
        job.end("done", now=now)


def _count_results(
    session: Session, job: JobRow, reasons: Mapping[str, str], default_reason: str
) -> None:
    """Count the items with a sample, and record why the others have none: `reasons` by item."""
    ids = item_ids(job)
    samples = SampleRepository(session)
    disturbed = samples.disturbed_by_id(job.target, ids)
    samples.assign_campaign(job.target, job.campaign, ids)
    job.measured, job.disturbed = len(disturbed), sum(disturbed.values())
    failures = [reasons.get(id_, default_reason) for id_ in ids if id_ not in disturbed]
    if job.ended:
        # Items without a sample were not offered again: their first reasons stay.
        failures = json.loads(job.failures_json)[: len(failures)]
    job.failures_json = json.dumps(failures)


def fail(ctx: Context, job: JobRow, failure: JobFailure) -> None:
    """Return a job undone. It is offered again until its attempts are used up; a postponed job
    always is. `job` is as `find_job` returns it. Raises LeaseLost."""
    now, settings = ctx.clock.now(), ctx.settings
    _bind_log_fields(job)
    with ctx.db.write() as session:
        campaign, job = _lock_leased(session, job)
        if job.state != "running":
            raise LeaseLost
        _touch_agent(session, job, now)
        if failure.postponed or job.attempts < settings.max_attempts:
            pause = settings.retry_s * (1 if failure.postponed else job.attempts)
            available_at = now + timedelta(seconds=pause)
            job.release(available_at=available_at, count=not failure.postponed)
            _count_measured(job, 0)
        else:
            _give_up(session, campaign, job, failure.reason, now)


def _give_up(
    session: Session, campaign: CampaignRow, job: JobRow, reason: str, now: datetime
) -> None:
    """Fail a job for good, or end it as done if it was completed before. Items that have a sample
    count as measured."""
    _count_results(session, job, {}, reason)
    job.end("done" if job.ended else "failed", now=now)
    campaigns.advance(session, campaign, now)


def sweep(ctx: Context) -> int:
    """Fail jobs whose last permitted lease has expired; returns how many."""
    now, max_attempts = ctx.clock.now(), ctx.settings.max_attempts
    with ctx.db.read() as session:
        ids = LeaseRepository(session, JobRow).exhausted(now=now, max_attempts=max_attempts)
    for id_ in ids:
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
    return len(ids)


def _bind_log_fields(job: JobRow) -> None:
    lease = job.lease_token and lease_id(job.lease_token)
    fields.bind(job=job.id, lease=lease, campaign=job.campaign, target=job.target, agent=job.agent)


def _touch_agent(session: Session, job: JobRow, now: datetime) -> None:
    if job.agent is not None:
        DeviceRepository(session).touch_agent(job.agent, now)
