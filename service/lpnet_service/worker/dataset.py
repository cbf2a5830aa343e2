"""What an LPNet is trained on: the samples of a target's epoch, and their sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from lpnet.noise import NoiseFloor
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import Kind, OpsWorkload, SpaceWorkload
from lpnet.space.table import OpTable
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.learning.splits import Candidate, draw_sides
from lpnet_service.services.shared import loaded_spaces, memory
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import noise_floor_of, require_target
from lpnet_service.training import Record


@dataclass(frozen=True)
class Dataset:
    """Samples of one epoch of a target; `memory` is None if all networks fitted."""

    target: str
    epoch: int
    noise_floor: NoiseFloor
    records: tuple[Record, ...]
    memory: MemoryLimits | None = None


def load(ctx: Context, target: str, *, limit: int | None = None) -> Dataset:
    """The undisturbed samples of a target's current epoch, with the sides drawn so far.

    Workloads without a side are not held out. `limit`: only so many of the newest samples.
    """
    with ctx.db.read() as session:
        row = require_target(session, target)
        samples = SampleRepository(session).trainable(target, row.epoch)
        sides = SideRepository(session).of_epoch(target, row.epoch)
        floor = noise_floor_of(TallyRepository(session).get_epoch(target, row.epoch))
    held_out = {key for key, (_, is_held_out) in sides.items() if is_held_out}
    records = _records(ctx, samples[-limit:] if limit else samples, held_out)
    return Dataset(target, row.epoch, floor, records, memory.limits(ctx, row))


@retried
def draw_missing_sides(ctx: Context, target: str) -> None:
    """Draw a side for every workload of the current epoch that has none; sides never change.

    Only a training does this. At the time of a plan or a study, no network chosen by a pruner is
    measured yet, so none of them would be held out.
    """
    with ctx.db.write() as session:
        row = require_target(session, target)
        drawn = SideRepository(session).of_epoch(target, row.epoch)
        candidates = [
            Candidate(key, _kind(kind), draw)
            for key, kind, draw in SampleRepository(session).trainable_workloads(target, row.epoch)
        ]
        new = draw_sides(candidates, drawn, target=target, epoch=row.epoch)
        SideRepository(session).add(target, row.epoch, new)


def _kind(stored: str) -> Kind:
    return cast(Kind, stored)


def _records(ctx: Context, samples: Sequence[SampleRow], held_out: set[str]) -> tuple[Record, ...]:
    tables: dict[str, OpTable] = {}
    records = []
    for row in samples:
        workload = Sample.model_validate_json(row.body_json).workload
        if row.workload_key not in tables:
            tables[row.workload_key] = table(ctx, workload)
        widths = workload.widths if isinstance(workload, SpaceWorkload) else None
        records.append(
            Record(
                key=row.workload_key,
                kind=_kind(row.kind),
                table=tables[row.workload_key],
                batch=workload.batch,
                latency_ms=row.latency_ms,
                draw=row.draw,
                space=row.space,
                widths=widths,
                held_out=row.workload_key in held_out,
                sample=row.id,
            )
        )
    return tuple(records)


def table(ctx: Context, workload: OpsWorkload | SpaceWorkload) -> OpTable:
    if isinstance(workload, OpsWorkload):
        return OpTable.from_ops(workload.ops)
    space = loaded_spaces.load_space(ctx, workload.space).space
    part = space if workload.block is None else space.block(workload.block)
    return OpTable.from_ops(part.ops(workload.widths))
