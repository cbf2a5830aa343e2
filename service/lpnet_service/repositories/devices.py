"""Devices, their agents, and targets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import AgentRow, DeviceRow, TargetRow


class DeviceRepository:
    """Devices, their agents, and targets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_devices(self) -> Sequence[DeviceRow]:
        return self._session.scalars(select(DeviceRow).order_by(DeviceRow.name)).all()

    def agents_by_device(self) -> dict[str, AgentRow]:
        return {agent.device: agent for agent in self._session.scalars(select(AgentRow))}

    def agent_of_device(self, device_name: str) -> AgentRow | None:
        return self._session.scalar(select(AgentRow).where(AgentRow.device == device_name))

    def get_agent(self, id_: str) -> AgentRow | None:
        return self._session.get(AgentRow, id_)

    def touch_agents(self, ids: Collection[str], now: datetime) -> None:
        statement = update(AgentRow).where(AgentRow.id.in_(ids)).values(last_seen_at=now)
        self._session.execute(statement, execution_options={"synchronize_session": False})

    def list_targets(self) -> Sequence[TargetRow]:
        return self._session.scalars(select(TargetRow).order_by(TargetRow.name)).all()

    def target_names_of(self, device: str) -> frozenset[str]:
        query = select(TargetRow.name).where(TargetRow.device == device)
        return frozenset(self._session.scalars(query))

    def get_target(self, name: str) -> TargetRow | None:
        return self._session.get(TargetRow, name)

    def lock_device(self, name: str) -> DeviceRow | None:
        query = select(DeviceRow).where(DeviceRow.name == name).with_for_update(key_share=True)
        return self._session.scalar(query)

    def lock_target(self, name: str) -> TargetRow | None:
        # A key-share lock: inserts of its samples only need its name to stay, and do not wait.
        query = select(TargetRow).where(TargetRow.name == name).with_for_update(key_share=True)
        return self._session.scalar(query)
