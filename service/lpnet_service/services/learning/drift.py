"""Targets that have drifted away from their LPNet: the samples to judge by, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lpnet.noise import NoiseFloor
from lpnet.schemas.lpnet import NewTraining
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import LPNetRow, SampleRow, TargetRow
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.runs import RunRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.learning import trainings
from lpnet_service.services.shared import tallies
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import noise_floor_of

# A training needs as many workloads of the new epoch.
MIN_WORKLOADS = 30
# The newest samples are judged.
MAX_SAMPLES = 1_000


@dataclass(frozen=True)
class WatchedSamples:
    """Samples, oldest first, that were measured since the active LPNet was trained, in its
    epoch; and those of before whose workloads were held out."""

    lpnet: LPNetRow
    floor: NoiseFloor
    rows: Sequence[SampleRow]
    held_out: Sequence[SampleRow]


def sample_counts(ctx: Context) -> dict[str, int]:
    """Samples of the current epoch of each target."""
    with ctx.db.read() as session:
        epochs = {(row.target, row.epoch): row for row in TallyRepository(session).list_epochs()}
        targets = DeviceRepository(session).list_targets()
    keys = {target.name: (target.name, target.epoch) for target in targets}
    return {name: epochs[key].samples for name, key in keys.items() if key in epochs}


def watched_samples(ctx: Context, target: str) -> WatchedSamples | None:
    """None if the target has no active LPNet of its current epoch.

    Networks that a pruner or a user chose are left out: the LPNet tends to underestimate these.
    So are spaces that it was not trained on, of which it knows less than its intervals say.
    """
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_target(target)
        active = LPNetRepository(session).active(target)
        if row is None or active is None or active.epoch != row.epoch:
            return None
        floor = noise_floor_of(TallyRepository(session).get_epoch(target, row.epoch))
        rows = SampleRepository(session).newest_drawn_since(
            target,
            row.epoch,
            active.created_at,
            _spaces_until(session, active),
            MAX_SAMPLES,
        )
        held_out = _held_out(session, active)
    return WatchedSamples(active, floor, rows, held_out)


def _held_out(session: Session, lpnet: LPNetRow) -> list[SampleRow]:
    sides = SideRepository(session).of_epoch(lpnet.target, lpnet.epoch)
    keys = [key for key, (_, is_held_out) in sides.items() if is_held_out]
    samples = SampleRepository(session)
    rows = samples.latest_trainable(lpnet.target, lpnet.epoch, keys, MAX_SAMPLES)
    return [row for row in rows if row.taken_at <= lpnet.created_at]


def _spaces_until(session: Session, lpnet: LPNetRow) -> set[str]:
    """The spaces that were measured before an LPNet was trained, in its epoch."""
    spaces: set[str] = set()
    for group in TallyRepository(session).groups(lpnet.target, lpnet.epoch):
        if group.disturbed or group.space is None or group.space in spaces:
            continue
        first = SampleRepository(session).first_taken_at(group.key)
        if first is not None and first <= lpnet.created_at:
            spaces.add(group.space)
    return spaces


@retried
def open_epoch(ctx: Context, lpnet: LPNetRow, since: datetime, reason: str) -> bool:
    """Flag the LPNet's target as drifted, and begin a new epoch with its samples from `since` on.

    Returns False, and changes nothing, if another LPNet or epoch has come meanwhile.
    """
    with ctx.db.write() as session:
        target = DeviceRepository(session).lock_target(lpnet.target)
        active = LPNetRepository(session).active(lpnet.target)
        if target is None or active is None or active.id != lpnet.id:
            return False
        if target.epoch != lpnet.epoch:
            return False
        target.drift_lpnet, target.drift_reason = lpnet.id, reason
        target.drifted_at = ctx.clock.now()
        target.open_epoch(since)
        _move_samples(session, target, since)
    return True


def _move_samples(session: Session, target: TargetRow, since: datetime) -> None:
    """Move samples from `since` on from the epoch before to the current one."""
    TallyRepository(session).lock(target.name)
    rows = SampleRepository(session).lock_since(target.name, target.epoch - 1, since)
    epochs = (target.epoch - 1, target.epoch)
    workloads = {
        (epoch, row.workload_key) for row in rows if row.sentinel is None for epoch in epochs
    }
    with tallies.updated(session, target.name, workloads):
        for row in rows:
            row.epoch = target.epoch
            if row.sentinel is None:
                row.group_key = tallies.group_key(
                    row.target,
                    row.epoch,
                    row.kind,
                    row.space,
                    row.block,
                    row.draw,
                    row.disturbed,
                )


def train_if_ready(ctx: Context, target: str) -> bool:
    """Queue a training of a drifted target, once, as soon as its epoch has MIN_WORKLOADS."""
    with ctx.db.read() as session:
        row = DeviceRepository(session).get_target(target)
        active = LPNetRepository(session).active(target)
        if row is None or active is None or row.drift_lpnet != active.id:
            return False
        if row.drifted_at is None or RunRepository(session).any_training_since(
            target, row.drifted_at
        ):
            return False
        workloads = SampleRepository(session).count_trainable_workloads(target, row.epoch)
    if workloads < MIN_WORKLOADS:
        return False
    trainings.start(ctx, target, NewTraining())
    return True
