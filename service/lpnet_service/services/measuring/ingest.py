"""Samples coming in: checked, then stored in bulk."""

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
from lpnet_service.db.rows import DeviceRow, TargetRow
from lpnet_service.errors import BadRequest, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import loaded_spaces, tallies
from lpnet_service.services.shared.context import Context

_LISTED_FAULTS = 100


def store(
    ctx: Context, batch: SampleBatch, *, create: bool = False, again: bool = False
) -> IngestResult:
    """Store the samples of a batch, all of them or none.

    A sample without an id gets one. `create` makes an imported target, and its device, where the
    target is unknown; for `again` see `put`. Raises BadRequest, naming `samples.i.field`, and
    NotFound for an unknown target.
    """
    check_workloads(ctx, batch.samples)
    fields.know(target=batch.target)
    now = ctx.clock.now()
    with ctx.db.write() as session:
        target = DeviceRepository(session).get_target(batch.target)
        if target is None and create:
            target = _imported(session, batch.target, now)
        if target is None:
            raise NotFound("target", batch.target)
        return add_samples(session, target, batch.samples, now, again=again)


def check_only(
    ctx: Context, batch: SampleBatch, *, create: bool = False, again: bool = False
) -> IngestResult:
    """Refuse what `store` would refuse, and store nothing."""
    check_workloads(ctx, batch.samples)
    with ctx.db.read() as session:
        if DeviceRepository(session).get_target(batch.target) is None and not create:
            raise NotFound("target", batch.target)
        raise_if_invalid(_repeated(batch.samples))
        if not again:
            raise_if_invalid(_changed(session, batch.target, batch.samples))
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

    A sample whose id is stored for this target already is known, and what is stored stays. It must
    be the same sample, unless they were measured `again`: a job that lost its lease is measured by
    somebody else too, under the same ids, and an undisturbed sample then replaces a disturbed one.
    `current`: they are known to be of the current epoch. Raises BadRequest naming `samples.i.id`.
    """
    raise_if_invalid(_repeated(samples))
    rows = [sample_columns(target, sample, now, campaign, current=current) for sample in samples]
    places = {(row["epoch"], row["workload_key"]) for row in rows}
    if again:
        # What takes another's place may be filed elsewhere.
        TallyRepository(session).lock(target.name)
        places |= TallyRepository(session).workloads_of_samples(
            target.name, [row["id"] for row in rows]
        )
    with tallies.updated(session, target.name, places):
        stored = SampleRepository(session).add(rows, replace=again) if rows else 0
    # Compared after the insert: what another transaction stored meanwhile is seen by now.
    if not again and stored < len({row["id"] for row in rows}):
        raise_if_invalid(_changed(session, target.name, samples))
    return IngestResult(stored=stored, known=len(rows) - stored)


def _repeated(samples: Sequence[Sample]) -> Iterator[FieldError]:
    """Samples that have the id of an earlier one of the batch, and are not the same."""
    first: dict[str, tuple[int, Sample]] = {}
    for index, sample in enumerate(samples):
        if sample.id is None:
            continue
        before, other = first.setdefault(sample.id, (index, sample))
        if other is not sample and other != sample:
            reason = f"{sample.id!r} is the id of samples.{before} too, which is another sample"
            yield FieldError(field=f"samples.{index}.id", reason=reason)


def _changed(session: Session, target: str, samples: Sequence[Sample]) -> Iterator[FieldError]:
    """Samples whose ids are stored for other ones."""
    ids = [sample.id for sample in samples if sample.id is not None]
    stored = SampleRepository(session).bodies_by_id(target, ids)
    for index, sample in enumerate(samples):
        body = stored.get(sample.id) if sample.id is not None else None
        # Reading is slow, and needed only where the same is written in another way.
        if body is None or body == _body(sample) or Sample.model_validate_json(body) == sample:
            continue
        reason = f"{sample.id!r} is stored for another sample of target {target!r}"
        yield FieldError(field=f"samples.{index}.id", reason=reason)


def check_workloads(ctx: Context, samples: Sequence[Sample]) -> None:
    """Raises BadRequest, naming every faulty field, where a workload is not one of its space's."""
    raise_if_invalid(
        FieldError(field=f"samples.{index}.workload.{fault.field}", reason=fault.reason)
        for index, sample in enumerate(samples)
        for fault in loaded_spaces.workload_errors(ctx, sample.kind, sample.workload)
    )


def raise_if_invalid(faults: Iterable[FieldError]) -> None:
    """Raises BadRequest if there are faults; a long list is cut, and says so."""
    listed = tuple(faults)
    if listed:
        more = len(listed) - _LISTED_FAULTS
        text = f"{len(listed)} fields are wrong" if len(listed) > 1 else "a field is wrong"
        cut = f"; the first {_LISTED_FAULTS} are listed" if more > 0 else ""
        raise BadRequest(f"{text}, so nothing was done{cut}", listed[:_LISTED_FAULTS])


def sample_columns(
    target: TargetRow,
    sample: Sample,
    now: datetime,
    campaign: str | None = None,
    *,
    current: bool = False,
) -> dict[str, Any]:
    """The columns of a sample's row."""
    taken_at = sample.measured_at or now
    id_ = sample.id or new_id("sample")
    body = sample if sample.id else sample.model_copy(update={"id": id_})
    workload = sample.workload
    in_space = workload if isinstance(workload, SpaceWorkload) else None
    group = {
        "target": target.name,
        "epoch": target.epoch if current else _epoch(target, taken_at),
        "kind": sample.kind,
        "space": in_space.space if in_space else None,
        "block": in_space.block if in_space else None,
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


def _epoch(target: TargetRow, taken_at: datetime) -> int:
    """What was measured before the current epoch began belongs to the one before: an agent may
    have kept it until now."""
    began = target.epoch_started_at
    return target.epoch if began is None or taken_at >= began else target.epoch - 1


def _body(sample: Sample) -> str:
    return sample.model_dump_json(exclude_none=True)


def _imported(session: Session, name: str, now: datetime) -> TargetRow:
    """A target of which only a table is known, on a device of the same name."""
    device = {"name": name, "source": "imported", "created_at": now}
    device["facts_json"] = DeviceFacts().model_dump_json()
    insert_if_new(session, DeviceRow, device, key="name")
    target = {"name": name, "device": name, "source": "imported", "epoch": 1, "created_at": now}
    target["spec_json"] = TargetSpec(name=name).model_dump_json()
    insert_if_new(session, TargetRow, target, key="name")
    return session.get_one(TargetRow, name)
