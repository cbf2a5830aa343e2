"""Devices and targets as users see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.schemas.device import Device, DeviceFacts, Target, TargetSpec
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.report import NOISE_UNKNOWN
from lpnet_service.db.rows import AgentRow, EpochRow, LPNetRow, TargetRow
from lpnet_service.errors import NotFound
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.memory_failures import MemoryFailureRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import memory
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import State, states


def list_devices(ctx: Context) -> list[Device]:
    """Every device, by name."""
    with ctx.db.read() as session:
        targets: dict[str, list[str]] = defaultdict(list)
        for target in DeviceRepository(session).list_targets():
            targets[target.device].append(target.name)
        agents = DeviceRepository(session).agents_by_device()
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
            for row in DeviceRepository(session).list_devices()
        ]


def list_targets(ctx: Context) -> list[Target]:
    """Every target, by name."""
    with ctx.db.read() as session:
        rows = DeviceRepository(session).list_targets()
        seen = _look(ctx, session, rows)
    return [_target(row, seen, _memory(ctx, row, seen)) for row in rows]


def get_target(ctx: Context, name: str) -> Target:
    """One target. NotFound where there is none of that name."""
    with ctx.db.read() as session:
        row = require_target(session, name)
        seen = _look(ctx, session, [row], name)
    return _target(row, seen, _memory(ctx, row, seen))


def require_target(session: Session, name: str) -> TargetRow:
    """The row of a target. NotFound where there is none of that name."""
    row = DeviceRepository(session).get_target(name)
    if row is None:
        raise NotFound("target", name)
    fields.know(target=row.name, device=row.device)
    return row


def noise_floor_pct_of(session: Session, row: TargetRow) -> float | None:
    """Noise floor of a target's current epoch, percent."""
    known = TallyRepository(session).get_epoch(row.name, row.epoch)
    return known.noise_floor_pct if known else None


@dataclass(frozen=True)
class _Surroundings:
    """What a target's wire form needs beside its row."""

    agents: Mapping[str, AgentRow]
    states: Mapping[str, State]
    epochs: Mapping[tuple[str, int], EpochRow]
    lpnets: Mapping[str, LPNetRow]
    overfull: Collection[tuple[str, int]]


def _look(
    ctx: Context, session: Session, rows: Sequence[TargetRow], name: str | None = None
) -> _Surroundings:
    return _Surroundings(
        agents=DeviceRepository(session).agents_by_device(),
        states=states(ctx, session, rows),
        epochs={
            (row.target, row.epoch): row for row in TallyRepository(session).list_epochs(name)
        },
        lpnets=LPNetRepository(session).active_by_target(),
        overfull=MemoryFailureRepository(session).epochs(),
    )


def _memory(ctx: Context, row: TargetRow, seen: _Surroundings) -> MemoryLimits | None:
    return memory.limits(ctx, row) if (row.name, row.epoch) in seen.overfull else None


def _target(row: TargetRow, seen: _Surroundings, limits: MemoryLimits | None) -> Target:
    agent = seen.agents.get(row.device)
    state = seen.states[row.name]
    lpnet = seen.lpnets.get(row.name)
    epoch = seen.epochs.get((row.name, row.epoch))
    noise = epoch.noise_floor_pct if epoch else None
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
            "noise_floor_pct": noise,
            "noise_floor_reason": NOISE_UNKNOWN if noise is None else None,
            "memory": limits,
            "lpnet": lpnet.id if lpnet else None,
            "network_mape_pct": lpnet.network_mape_pct if lpnet else None,
            "last_seen_at": agent.last_seen_at if agent and row.source == "agent" else None,
            "created_at": row.created_at,
        }
    )
