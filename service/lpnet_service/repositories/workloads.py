"""Workloads of an epoch by key. Keys are hashes, so any range of them is a random sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SampleRow, SideRow, WorkloadRow

_CHUNK = 500
_COLUMNS = (
    WorkloadRow.workload_key.label("key"),
    WorkloadRow.latency_ms,
    WorkloadRow.kind,
    WorkloadRow.space,
    WorkloadRow.block,
)


class WorkloadRepository:
    """Workloads of an epoch, in key order."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def key_at(self, target: str, epoch: int, offset: int) -> str | None:
        """The key at position `offset` in key order; None if there are fewer keys."""
        query = select(WorkloadRow.workload_key).where(
            WorkloadRow.target == target, WorkloadRow.epoch == epoch
        )
        return self._session.scalar(
            query.order_by(WorkloadRow.workload_key).limit(1).offset(offset)
        )

    def rows(
        self, target: str, epoch: int, before: str | None
    ) -> Sequence[Row[str, float, str, str | None, str | None]]:
        """Key, median latency, kind, space and block of the workloads whose key is before `before`
        (None: of all), in key order."""
        rows: Sequence[Row[str, float, str, str | None, str | None]]
        rows = self._before(select(*_COLUMNS), target, epoch, before)
        return rows

    def medians(self, target: str, epoch: int, before: str | None) -> dict[str, float]:
        query = select(WorkloadRow.workload_key, WorkloadRow.latency_ms)
        return {key: ms for key, ms in self._before(query, target, epoch, before)}

    def _before(self, query: Any, target: str, epoch: int, before: str | None) -> Any:
        query = query.where(WorkloadRow.target == target, WorkloadRow.epoch == epoch)
        if before is not None:
            query = query.where(WorkloadRow.workload_key < before)
        # Not through the ORM, which doubles the time, and not row by row.
        return self._session.connection().execute(query.order_by(WorkloadRow.workload_key)).all()

    def held_out(
        self, target: str, epoch: int, limit: int
    ) -> Sequence[Row[str, float, str, str | None, str | None]]:
        same = and_(
            WorkloadRow.target == SideRow.target,
            WorkloadRow.epoch == SideRow.epoch,
            WorkloadRow.workload_key == SideRow.workload_key,
        )
        query = select(*_COLUMNS).join(SideRow, same).where(_is_held_out(target, epoch))
        ordered = query.order_by(SideRow.workload_key).limit(limit)
        return self._session.connection().execute(ordered).all()

    def first_samples(
        self, target: str, epoch: int, keys: Sequence[str]
    ) -> dict[str, tuple[str, str | None]]:
        samples: dict[str, tuple[str, str | None]] = {}
        for start in range(0, len(keys), _CHUNK):
            first = (
                select(func.min(SampleRow.seq))
                .where(
                    SampleRow.target == target,
                    SampleRow.epoch == epoch,
                    SampleRow.workload_key.in_(keys[start : start + _CHUNK]),
                    SampleRow.sentinel.is_(None),
                    SampleRow.disturbed.is_(False),
                )
                .group_by(SampleRow.workload_key)
            )
            query = select(SampleRow.workload_key, SampleRow.id, SampleRow.draw)
            for key, id_, draw in self._session.execute(query.where(SampleRow.seq.in_(first))):
                samples[key] = (id_, draw)
        return samples


def _is_held_out(target: str, epoch: int) -> ColumnElement[bool]:
    return and_(SideRow.target == target, SideRow.epoch == epoch, SideRow.held_out.is_(True))
