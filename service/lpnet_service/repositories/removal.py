"""What refers to a target, a device or a space, and deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import (
    AgentRow,
    CampaignRow,
    DeviceRow,
    DoubtRow,
    LPNetRow,
    MemoryFailureRow,
    PruningRow,
    RunRow,
    SampleRow,
    SideRow,
    SpaceRow,
    TargetRow,
)

_ON_TARGETS: dict[str, Any] = {
    "samples": SampleRow,
    "campaigns": CampaignRow,
    "LPNets": LPNetRow,
    "trainings": RunRow,
    "pruning results": PruningRow,
}
_OF_SPACES: dict[str, Any] = {
    "samples": SampleRow,
    "campaigns": CampaignRow,
    "pruning results": PruningRow,
}


def samples_by_id(target: str, ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(SampleRow.target == target, SampleRow.id.in_(ids))


def samples_stored(target: str, start: datetime, end: datetime) -> ColumnElement[bool]:
    """Samples of a target that were stored from `start` to `end`, both included."""
    return and_(SampleRow.target == target, SampleRow.stored_at.between(start, end))


class RemovalRepository:
    """Counts what refers to a row, and deletes rows to which nothing refers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock_samples(
        self, where: ColumnElement[bool], limit: int
    ) -> Sequence[Row[int, int, str, str | None]]:
        """`seq`, epoch, workload key and campaign of the first such samples, locked."""
        columns = (SampleRow.seq, SampleRow.epoch, SampleRow.workload_key, SampleRow.campaign)
        query = select(*columns).where(where).order_by(SampleRow.seq).limit(limit)
        return self._session.execute(query.with_for_update()).all()

    def running(self, campaigns: Sequence[str]) -> Sequence[str]:
        query = select(CampaignRow.id).where(
            CampaignRow.id.in_(campaigns), CampaignRow.state == "running"
        )
        return self._session.scalars(query.order_by(CampaignRow.id)).all()

    def on_target(self, name: str) -> dict[str, int]:
        """How many rows refer to a target, by kind; kinds without any are left out."""
        return self._count({kind: row.target == name for kind, row in _ON_TARGETS.items()})

    def of_space(self, hash_: str) -> dict[str, int]:
        return self._count({kind: row.space == hash_ for kind, row in _OF_SPACES.items()})

    def of_device(self, name: str) -> dict[str, int]:
        return self._count({"targets": TargetRow.device == name})

    def _count(self, conditions: dict[str, ColumnElement[bool]]) -> dict[str, int]:
        counts = {
            kind: self._session.scalar(select(func.count()).where(where)) or 0
            for kind, where in conditions.items()
        }
        return {kind: count for kind, count in counts.items() if count}

    def delete_target(self, name: str) -> None:
        for row in (SideRow, MemoryFailureRow, DoubtRow):
            self._session.execute(delete(row).where(row.target == name))
        self._session.execute(delete(TargetRow).where(TargetRow.name == name))

    def delete_device(self, name: str) -> None:
        self._session.execute(delete(AgentRow).where(AgentRow.device == name))
        self._session.execute(delete(DeviceRow).where(DeviceRow.name == name))

    def delete_space(self, hash_: str) -> None:
        self._session.execute(delete(SpaceRow).where(SpaceRow.hash == hash_))
