"""Removing what was stored by mistake: samples, and what has nothing on it any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement

from lpnet.schemas.sample import Removal
from lpnet_service.db.retrying import retried
from lpnet_service.errors import Conflict, NotFound
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.removal import (
    RemovalRepository,
    samples_by_id,
    samples_stored,
)
from lpnet_service.repositories.retention import RetentionRepository
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import tallies
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import NOT_MEASURING, target_states
from lpnet_service.services.shared.targets import require_target

# Samples per transaction: it takes milliseconds, during which others wait.
_BATCH = 500


def remove_samples(
    ctx: Context, target: str, ids: Sequence[str], start: datetime | None, end: datetime | None
) -> Removal:
    """Delete samples of a target: those with these ids, or those stored from `start` to `end`.

    LPNets and reports that were trained with them stay as they are. Raises NotFound for the
    target, Conflict if a running campaign measures one of the samples: samples before it are
    gone then.
    """
    with ctx.db.read() as session:
        require_target(session, target)
    if ids:
        where = samples_by_id(target, ids)
    else:
        assert start is not None
        where = samples_stored(target, start, end or ctx.clock.now())
    total, deleted = 0, 1
    while deleted:
        deleted = _remove_batch(ctx, target, where)
        total += deleted
    return Removal(deleted=total)


@retried
def _remove_batch(ctx: Context, target: str, where: ColumnElement[bool]) -> int:
    with ctx.db.write() as session:
        repository = RemovalRepository(session)
        TallyRepository(session).lock(target)
        rows = repository.lock_samples(where, _BATCH)
        running = repository.running(list({row.campaign for row in rows if row.campaign}))
        if running:
            raise Conflict(f"campaign {running[0]} still measures such samples: cancel it first")
        workloads = {(row.epoch, row.workload_key) for row in rows}
        with tallies.updated(session, target, workloads):
            RetentionRepository(session).delete_samples([row.seq for row in rows])
    return len(rows)


@retried
def remove_target(ctx: Context, name: str) -> None:
    """Delete a target that has nothing on it. Raises NotFound, Conflict."""
    with ctx.db.write() as session:
        if DeviceRepository(session).lock_target(name) is None:
            raise NotFound("target", name)
        target = require_target(session, name)
        if target_states(ctx, session, [target])[name].name not in NOT_MEASURING:
            raise Conflict(f"target {name!r} is measured by an agent, which would add it again")
        _refuse_if_used(f"target {name!r}", RemovalRepository(session).on_target(name))
        RemovalRepository(session).delete_target(name)


@retried
def remove_device(ctx: Context, name: str) -> None:
    """Delete a device without targets, and its agent. Raises NotFound, Conflict."""
    with ctx.db.write() as session:
        devices = DeviceRepository(session)
        if not devices.lock_device(name):
            raise NotFound("device", name)
        agent = devices.agent_of_device(name)
        silence = timedelta(seconds=ctx.settings.offline_s)
        if agent is not None and ctx.clock.now() - agent.last_seen_at <= silence:
            raise Conflict(f"the agent of device {name!r} runs, and would add it again")
        _refuse_if_used(f"device {name!r}", RemovalRepository(session).of_device(name))
        RemovalRepository(session).delete_device(name)


@retried
def remove_space(ctx: Context, hash_: str) -> None:
    """Delete a space that nothing uses. Raises NotFound, Conflict."""
    with ctx.db.write() as session:
        if SpaceRepository(session).get(hash_) is None:
            raise NotFound("space", hash_)
        _refuse_if_used(f"space {hash_!r}", RemovalRepository(session).of_space(hash_))
        RemovalRepository(session).delete_space(hash_)


def _refuse_if_used(what: str, counts: Mapping[str, int]) -> None:
    if counts:
        listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        raise Conflict(f"{what} is not empty: it has {listed}")
