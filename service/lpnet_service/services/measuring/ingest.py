"""Incoming samples: checked, then stored in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.schemas.device import DeviceFacts, TargetSpec
from lpnet.schemas.problem import FieldError
from lpnet.schemas.sample import IngestResult, Sample, SampleBatch
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import DeviceRow, TargetRow
from lpnet_service.errors import BadRequest, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import loaded_spaces, tallies
from lpnet_service.services.shared.context import Context

_MAX_LISTED_ERRORS = 100


@retried
def store(
    ctx: Context, batch: SampleBatch, *, create: bool = False, again: bool = False
) -> IngestResult:
    """Store all samples of a batch, or none.

    A sample without an id gets one. `create` creates an imported target and its device if the
    target is unknown; see `add_samples` for `again`. Raises BadRequest naming `samples.i.field`.
    """
    check_workloads(ctx, batch.samples)
    fields.bind(target=batch.target)
    now = ctx.clock.now()
    with ctx.db.write() as session:
        target = DeviceRepository(session).get_target(batch.target)
        if target is None and create:
            target = _create_imported(session, batch.target, now)
        if target is None:
            raise NotFound("target", batch.target)
        return add_samples(session, target, batch.samples, now, again=again)


def check_only(
    ctx: Context, batch: SampleBatch, *, create: bool = False, again: bool = False
) -> IngestResult:
    """Raise the same errors as `store`, and store nothing."""
    check_workloads(ctx, batch.samples)
    with ctx.db.read() as session:
        if DeviceRepository(session).get_target(batch.target) is None and not create:
            raise NotFound("target", batch.target)
        raise_if_invalid(_repeated_ids(batch.samples))
        if not again:
            raise_if_invalid(_changed_samples(session, batch.target, batch.samples))
    return IngestResult(stored=0, known=0)


def add_samples(
    session: Session,
    target: TargetRow,
    samples: Sequence[Sample],
    now: datetime,
    *,
    campaign: str | None = None,
    again: bool = False,
    current: bool = False,
) -> IngestResult:
    """Store checked samples in the caller's transaction.

    A sample whose id is stored for this target must be the same sample, and the stored one stays.
    `again` allows another sample of the same id: a job that lost its lease is measured a second
    time under the same ids, and an undisturbed sample then replaces a disturbed one. `current`
    says that all samples belong to the current epoch. Raises BadRequest naming `samples.i.id`.
    """
    raise_if_invalid(_repeated_ids(samples))
    rows = [sample_columns(target, sample, now, campaign, current=current) for sample in samples]
    ids = [row["id"] for row in rows]
    workloads = {(row["epoch"], row["workload_key"]) for row in rows}
    if again:
        # A replaced sample may belong to another workload or epoch.
        TallyRepository(session).lock(target.name)
        workloads |= TallyRepository(session).workloads_of_samples(target.name, ids)
    with tallies.updated(session, target.name, workloads):
        stored = SampleRepository(session).add(rows, replace=again) if rows else 0
    # Compared after the insert, which also sees what another transaction has just stored.
    if not again and stored < len(set(ids)):
        raise_if_invalid(_changed_samples(session, target.name, samples))
    return IngestResult(stored=stored, known=len(rows) - stored)


def _repeated_ids(samples: Sequence[Sample]) -> Iterator[FieldError]:
    first: dict[str, tuple[int, Sample]] = {}
    for index, sample in enumerate(samples):
        if sample.id is None:
            continue
        first_index, first_sample = first.setdefault(sample.id, (index, sample))
        if first_sample is not sample and first_sample != sample:
            reason = f"{sample.id!r} is also the id of samples.{first_index}, another sample"
            yield FieldError(field=f"samples.{index}.id", reason=reason)


def _changed_samples(
    session: Session, target: str, samples: Sequence[Sample]
) -> Iterator[FieldError]:
    ids = [sample.id for sample in samples if sample.id is not None]
    bodies = SampleRepository(session).bodies_by_id(target, ids)
    for index, sample in enumerate(samples):
        body = bodies.get(sample.id) if sample.id is not None else None
        # Parsing is slow, and only needed if the same sample is written differently.
        if body is None or body == _body(sample) or Sample.model_validate_json(body) == sample:
            continue
        reason = f"{sample.id!r} is stored for another sample of target {target!r}"
        yield FieldError(field=f"samples.{index}.id", reason=reason)


def check_workloads(ctx: Context, samples: Sequence[Sample]) -> None:
    """Raises BadRequest naming every wrong field of workloads that their space does not have."""
    raise_if_invalid(
        FieldError(field=f"samples.{index}.workload.{error.field}", reason=error.reason)
        for index, sample in enumerate(samples)
        for error in loaded_spaces.workload_errors(ctx, sample.kind, sample.workload)
    )


def raise_if_invalid(errors: Iterable[FieldError]) -> None:
    """Raises BadRequest if there are errors; it lists the first 100."""
    all_errors = tuple(errors)
    if all_errors:
        count = len(all_errors)
        fields_are_wrong = "a field is wrong" if count == 1 else f"{count} fields are wrong"
        more = f"; the first {_MAX_LISTED_ERRORS} are listed" if count > _MAX_LISTED_ERRORS else ""
        raise BadRequest(
            f"{fields_are_wrong}, so nothing was done{more}", all_errors[:_MAX_LISTED_ERRORS]
        )


def sample_columns(
    target: TargetRow,
    sample: Sample,
    now: datetime,
    campaign: str | None = None,
    *,
    current: bool = False,
) -> dict[str, Any]:
    taken_at = sample.measured_at or now
    id_ = sample.id or new_id("sample")
    body = sample if sample.id else sample.model_copy(update={"id": id_})
    workload = sample.workload
    space_workload = workload if isinstance(workload, SpaceWorkload) else None
    group = {
        "target": target.name,
        "epoch": target.epoch if current else _epoch_at(target, taken_at),
        "kind": sample.kind,
        "space": space_workload.space if space_workload else None,
        "block": space_workload.block if space_workload else None,
        "draw": sample.draw,
        "disturbed": sample.disturbed,
    }
    return {
        **group,
        "id": id_,
        "campaign": None if sample.sentinel else campaign,
        "workload_key": workload_key(workload),
        "session": sample.session,
        "latency_ms": sample.latency_ms,
        "sentinel": sample.sentinel,
        "group_key": None if sample.sentinel else tallies.group_key(**group),
        "taken_at": taken_at,
        "stored_at": now,
        "body_json": _body(body),
    }


def _epoch_at(target: TargetRow, taken_at: datetime) -> int:
    # An agent may deliver samples late. Samples measured before the current epoch belong to the
    # previous one.
    started_at = target.epoch_started_at
    return target.epoch if started_at is None or taken_at >= started_at else target.epoch - 1


def _body(sample: Sample) -> str:
    return sample.model_dump_json(exclude_none=True)


def _create_imported(session: Session, name: str, now: datetime) -> TargetRow:
    device = {"name": name, "source": "imported", "created_at": now}
    device["facts_json"] = DeviceFacts().model_dump_json()
    insert_if_new(session, DeviceRow, device, key="name")
    target = {"name": name, "device": name, "source": "imported", "epoch": 1, "created_at": now}
    target["spec_json"] = TargetSpec(name=name).model_dump_json()
    insert_if_new(session, TargetRow, target, key="name")
    return session.get_one(TargetRow, name)
