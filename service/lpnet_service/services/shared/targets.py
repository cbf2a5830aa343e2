"""Devices and targets as users see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.noise import MIN_APART_S, MIN_WORKLOADS, NoiseFloor
from lpnet.schemas.device import Device, DeviceFacts, Target, TargetSpec
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.noise import TargetNoise
from lpnet_service.db.rows import AgentRow, EpochRow, LPNetRow, TargetRow
from lpnet_service.errors import NotFound
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.memory_failures import MemoryFailureRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import memory
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import State, target_states


def list_devices(ctx: Context) -> list[Device]:
    with ctx.db.read() as session:
        devices = DeviceRepository(session)
        targets: dict[str, list[str]] = defaultdict(list)
        for target in devices.list_targets():
            targets[target.device].append(target.name)
        agents = devices.agents_by_device()
        return [
            Device.model_validate(
                {
                    "name": row.name,
                    "source": row.source,
                    "facts": DeviceFacts.model_validate_json(row.facts_json),
                    "targets": tuple(targets[row.name]),
                    "last_seen_at": agents[row.name].last_seen_at if row.name in agents else None,
                    "created_at": row.created_at,
                }
            )
            for row in devices.list_devices()
        ]


def list_targets(ctx: Context) -> list[Target]:
    with ctx.db.read() as session:
        rows = DeviceRepository(session).list_targets()
        related = _load_related(ctx, session, rows)
    return [_target(row, related, _memory_limits(ctx, row, related)) for row in rows]


def get_target(ctx: Context, name: str) -> Target:
    with ctx.db.read() as session:
        row = require_target(session, name)
        related = _load_related(ctx, session, [row], name)
    return _target(row, related, _memory_limits(ctx, row, related))


def require_target(session: Session, name: str) -> TargetRow:
    row = DeviceRepository(session).get_target(name)
    if row is None:
        raise NotFound("target", name)
    fields.bind(target=row.name, device=row.device)
    return row


def list_noise(ctx: Context) -> list[TargetNoise]:
    """The noise floors of all targets, by name."""
    with ctx.db.read() as session:
        rows = DeviceRepository(session).list_targets()
        epochs = {(row.target, row.epoch): row for row in TallyRepository(session).list_epochs()}
    return [_target_noise(row, epochs.get((row.name, row.epoch))) for row in rows]


def _target_noise(row: TargetRow, epoch: EpochRow | None) -> TargetNoise:
    floor = noise_floor_of(epoch)
    return TargetNoise(
        target=row.name,
        epoch=row.epoch,
        workloads=floor.workloads,
        needed=MIN_WORKLOADS,
        apart_s=MIN_APART_S,
        pct=floor.pct,
        low_pct=floor.low_pct,
        high_pct=floor.high_pct,
        reason=floor.reason,
    )


def noise_floor_of(epoch: EpochRow | None) -> NoiseFloor:
    """The noise floor that is stored with an epoch."""
    if epoch is None:
        return NoiseFloor(0)
    low, high = epoch.noise_low_pct, epoch.noise_high_pct
    return NoiseFloor(epoch.repeated, epoch.noise_floor_pct, low, high)


def noise_floor_pct_of(session: Session, target: TargetRow) -> float | None:
    epoch = TallyRepository(session).get_epoch(target.name, target.epoch)
    return epoch.noise_floor_pct if epoch else None


@dataclass(frozen=True)
class _RelatedRows:
    """What the wire form of targets needs beside their rows."""

    agents: Mapping[str, AgentRow]
    states: Mapping[str, State]
    epochs: Mapping[tuple[str, int], EpochRow]
    lpnets: Mapping[str, LPNetRow]
    epochs_with_failures: Collection[tuple[str, int]]


def _load_related(
    ctx: Context, session: Session, rows: Sequence[TargetRow], name: str | None = None
) -> _RelatedRows:
    epochs = TallyRepository(session).list_epochs(name)
    return _RelatedRows(
        agents=DeviceRepository(session).agents_by_device(),
        states=target_states(ctx, session, rows),
        epochs={(epoch.target, epoch.epoch): epoch for epoch in epochs},
        lpnets=LPNetRepository(session).active_by_target(),
        epochs_with_failures=MemoryFailureRepository(session).epochs(),
    )


def _memory_limits(ctx: Context, row: TargetRow, related: _RelatedRows) -> MemoryLimits | None:
    if (row.name, row.epoch) not in related.epochs_with_failures:
        return None
    return memory.limits(ctx, row)


def _target(row: TargetRow, related: _RelatedRows, limits: MemoryLimits | None) -> Target:
    agent = related.agents.get(row.device)
    state = related.states[row.name]
    lpnet = related.lpnets.get(row.name)
    epoch = related.epochs.get((row.name, row.epoch))
    floor = noise_floor_of(epoch)
    return Target.model_validate(
        {
            "name": row.name,
            "device": row.device,
            "source": row.source,
            "spec": TargetSpec.model_validate_json(row.spec_json),
            "state": state.name,
            "state_reason": state.reason,
            "state_since": state.since,
            "cleared": row.cleared,
            "epoch": row.epoch,
            "samples": epoch.samples if epoch else 0,
            "noise_floor_pct": floor.pct,
            "noise_floor_reason": floor.reason,
            "memory": limits,
            "drift": row.drift_reason if lpnet and row.drift_lpnet == lpnet.id else None,
            "lpnet": lpnet.id if lpnet else None,
            "network_mape_pct": lpnet.network_mape_pct if lpnet else None,
            "last_seen_at": agent.last_seen_at if agent and row.source == "agent" else None,
            "created_at": row.created_at,
        }
    )
