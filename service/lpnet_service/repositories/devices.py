"""Devices, their agents, and targets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import AgentRow, DeviceRow, TargetRow


def devices(session: Session) -> Sequence[DeviceRow]:
    return session.scalars(select(DeviceRow).order_by(DeviceRow.name)).all()


def agents(session: Session) -> dict[str, AgentRow]:
    """Every agent by the name of its device."""
    return {agent.device: agent for agent in session.scalars(select(AgentRow))}


def agent_of(session: Session, device_name: str) -> AgentRow | None:
    return session.scalar(select(AgentRow).where(AgentRow.device == device_name))


def agent(session: Session, id_: str) -> AgentRow | None:
    return session.get(AgentRow, id_)


def saw_agent(session: Session, id_: str, now: datetime) -> None:
    session.execute(update(AgentRow).where(AgentRow.id == id_).values(last_seen_at=now))


def targets(session: Session) -> Sequence[TargetRow]:
    return session.scalars(select(TargetRow).order_by(TargetRow.name)).all()


def target(session: Session, name: str) -> TargetRow | None:
    return session.get(TargetRow, name)


def lock_target(session: Session, name: str) -> TargetRow | None:
    """The target, held against other writers until this transaction ends."""
    # Whoever stores samples of it meanwhile only needs its name to stay, and does not wait.
    held = select(TargetRow).where(TargetRow.name == name).with_for_update(key_share=True)
    return session.scalar(held)


def open_epoch(row: TargetRow, now: datetime) -> None:
    """Samples from here on are not comparable with those before."""
    row.epoch, row.epoch_started_at = row.epoch + 1, now
