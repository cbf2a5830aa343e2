"""Totals for metrics, by a few short queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, and_, case, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from lpnet_service.db.rows import (
    AgentRow,
    CampaignRow,
    GroupRow,
    JobRow,
    LeasedRow,
    LPNetRow,
    RunRow,
)


@dataclass(frozen=True)
class LeasedCount:
    """Jobs, or runs of a kind, in one state; `expired` is running under an expired lease.

    `attempts` is the sum of their attempts, `oldest` when the oldest was created.
    """

    kind: str
    state: str
    count: int
    attempts: int
    oldest: datetime


@dataclass(frozen=True)
class RunTime:
    """Runs of a kind that ended in a state: how many, and the sum of their times."""

    kind: str
    state: str
    count: int
    seconds: float


@dataclass(frozen=True)
class SampleCount:
    """Samples of a target over all epochs, without sentinels; how many are disturbed."""

    count: int
    disturbed: int


class MetricsRepository:
    """Totals for metrics. No query reads a sample."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def jobs(self, now: datetime) -> Sequence[LeasedCount]:
        return [LeasedCount("job", *row) for row in self._session.execute(_leased(JobRow, now))]

    def runs(self, now: datetime) -> Sequence[LeasedCount]:
        return [
            LeasedCount(*row) for row in self._session.execute(_leased(RunRow, now, RunRow.kind))
        ]

    def run_times(self) -> Sequence[RunTime]:
        """Only runs that ended and whose start is known."""
        seconds = func.sum(self._seconds(RunRow.started_at, RunRow.finished_at))
        ended = and_(RunRow.started_at.is_not(None), RunRow.finished_at.is_not(None))
        query = select(RunRow.kind, RunRow.state, func.count(), seconds).where(ended)
        rows = self._session.execute(query.group_by(RunRow.kind, RunRow.state))
        return [RunTime(kind, state, count, float(total)) for kind, state, count, total in rows]

    def _seconds(self, start: Any, end: Any) -> ColumnElement[float]:
        if self._session.get_bind().dialect.name == "sqlite":
            return cast((func.julianday(end) - func.julianday(start)) * 86_400.0, Float)
        return cast(func.extract("epoch", end - start), Float)

    def samples(self) -> dict[str, SampleCount]:
        disturbed = case((GroupRow.disturbed, GroupRow.samples), else_=0)
        query = select(GroupRow.target, func.sum(GroupRow.samples), func.sum(disturbed))
        rows = self._session.execute(query.group_by(GroupRow.target))
        return {
            target: SampleCount(int(count), int(disturbed)) for target, count, disturbed in rows
        }

    def campaigns(self) -> dict[str, int]:
        rows = self._session.execute(
            select(CampaignRow.state, func.count()).group_by(CampaignRow.state)
        )
        return {name: count for name, count in rows}

    def lpnet_errors(self) -> dict[str, float | None]:
        query = select(LPNetRow.target, LPNetRow.network_mape_pct).where(LPNetRow.active.is_(True))
        return {target: pct for target, pct in self._session.execute(query)}

    def agents_last_seen(self) -> dict[str, datetime]:
        rows = self._session.execute(select(AgentRow.device, AgentRow.last_seen_at))
        return {device: at for device, at in rows}


def _leased(row: type[LeasedRow], now: datetime, *by: InstrumentedAttribute[str]) -> Any:
    is_over = and_(row.state == "running", row.lease_expires_at < now)
    state = case((is_over, "expired"), else_=row.state).label("shown")
    oldest: Any = func.min(row.created_at)
    columns = (*by, state, func.count(), func.sum(row.attempts), oldest)
    return select(*columns).group_by(*by, "shown")
