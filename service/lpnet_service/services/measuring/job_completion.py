"""Completing a job: its samples are stored, its failures counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.schemas.campaign import Completion, LeasedItem
from lpnet.schemas.problem import FieldError
from lpnet.schemas.sample import IngestResult
from lpnet.schemas.workload import workload_key
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import JobRow, TargetRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.memory_failures import MemoryFailureRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.measuring import campaigns, doubts, ingest
from lpnet_service.services.measuring.jobs import (
    bind_log_fields,
    item_ids,
    items_of,
    lock_leased,
    touch_agent,
)
from lpnet_service.services.shared.context import Context

_NOT_REPORTED = "the agent reported neither a sample nor a failure"


@retried
def complete(ctx: Context, job: JobRow, completion: Completion) -> IngestResult:
    """End a job: store its samples, count its failures. Repeating it is harmless.

    `job` comes from `find_job`. Raises LeaseLost, or BadRequest for samples that do not belong to
    the job.
    """
    bind_log_fields(job)
    _check_completion(ctx, items_of(job), completion)
    now = ctx.clock.now()
    with ctx.db.write() as session:
        campaign, job = lock_leased(session, job)
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
            _postpone_repeats(ctx, session, job, now)
            doubts.settle(session, job)
            touch_agent(session, job, now)
            campaigns.advance(session, campaign, now)
    return result


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


def _is_of_current_epoch(job: JobRow, target: TargetRow) -> bool:
    """Whether the lease began in the current epoch. This does not depend on the agent's clock."""
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
        for item in items_of(job)
        if item.id in failed
    ]
    MemoryFailureRepository(session).add(rows)


def _end_or_reopen(
    ctx: Context, session: Session, job: JobRow, completion: Completion, now: datetime
) -> None:
    reasons = {failure.item: failure.reason for failure in completion.failures}
    count_results(session, job, reasons, _NOT_REPORTED)
    job.ended += 1
    if job.disturbed and job.ended <= ctx.settings.disturbed_retries:
        pause = timedelta(seconds=ctx.settings.disturbed_retry_s)
        job.reopen(available_at=now + pause)
    else:
        job.end("done", now=now)


def _postpone_repeats(ctx: Context, session: Session, job: JobRow, now: datetime) -> None:
    """Let a pause pass before workloads of a completed job are measured again.

    Two sessions in quick succession agree because they meet the same conditions.
    """
    keys = {workload_key(item.workload) for item in items_of(job)}
    available_at = now + timedelta(seconds=ctx.settings.repeat_pause_s)
    for other in CampaignRepository(session).queued_repeats(job.campaign):
        repeated = (workload_key(item.workload) for item in items_of(other))
        if other.id != job.id and not keys.isdisjoint(repeated):
            other.available_at = max(other.available_at, available_at)


def count_results(
    session: Session, job: JobRow, reasons: Mapping[str, str], default_reason: str
) -> None:
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
