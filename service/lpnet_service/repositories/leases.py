"""Leases: the same statements for the agents' jobs and for the worker's runs.

A row is claimed by one UPDATE ... RETURNING. SQLite lets one writer in at a time; on Postgres the
inner SELECT skips rows that another transaction has locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Update, and_, or_, select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import LeasedRow
from lpnet_service.ids import new_id

Row = TypeVar("Row", bound=LeasedRow)
_CLOCK_SLACK_S = 1.0


class LeaseRepository(Generic[Row]):
    """Jobs (`JobRow`) or runs (`RunRow`) by their leases.

    A row is free if it is queued and available, or if it is running under a lease that has
    expired, and in both cases was attempted fewer than `max_attempts` times.
    """

    def __init__(self, session: Session, row: type[Row]) -> None:
        self._session = session
        self._row = row

    def any_free(self, *where: ColumnElement[bool], now: datetime, max_attempts: int) -> bool:
        query = select(self._row.id).where(self.is_free(now, max_attempts), *where)
        return self._session.scalar(query.limit(1)) is not None

    def claim(
        self,
        *where: ColumnElement[bool],
        order: Sequence[Any],
        now: datetime,
        lease_s: float,
        max_attempts: int,
        values: dict[str, Any] | None = None,
    ) -> Row | None:
        """Put the first free row under a new lease; None if no row is free."""
        first = (
            select(self._row.id)
            .where(self.is_free(now, max_attempts), *where)
            .order_by(*order)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        lease: dict[str, Any] = {
            "state": "running",
            "lease_token": new_id("lease"),
            "lease_expires_at": now + timedelta(seconds=lease_s),
            "attempts": self._row.attempts + 1,
        }
        return self._apply(update(self._row).where(self._row.id == first), lease | (values or {}))

    def is_free(self, now: datetime, max_attempts: int) -> ColumnElement[bool]:
        row = self._row
        return and_(
            # So that an index of the open rows is used, and not all rows of a target are read.
            row.state.in_(("queued", "running")),
            row.attempts < max_attempts,
            or_(
                and_(row.state == "queued", row.available_at <= now),
                and_(row.state == "running", row.lease_expires_at < now),
            ),
        )

    def extend(
        self, token: str, *, now: datetime, lease_s: float, values: dict[str, Any] | None = None
    ) -> Row | None:
        """Extend a lease to `lease_s` seconds from now; None if it is lost."""
        lease: dict[str, Any] = {"lease_expires_at": now + timedelta(seconds=lease_s)}
        statement = update(self._row).where(
            self._row.lease_token == token, self._row.state == "running"
        )
        return self._apply(statement, lease | (values or {}))

    def _apply(self, statement: Update, values: dict[str, Any]) -> Row | None:
        options = {"populate_existing": True, "synchronize_session": False}
        returning = statement.values(values).returning(self._row)
        return self._session.scalar(returning, execution_options=options)

    def find_by_token(self, token: str, *, lock: bool = False) -> Row | None:
        """The row that is or was held under this lease; `lock` keeps other writers off it."""
        query = select(self._row).where(self._row.lease_token == token)
        if lock:
            query = query.with_for_update(key_share=True)
        return self._session.scalar(query)

    def exhausted(self, *, now: datetime, max_attempts: int) -> list[str]:
        """Ids of rows whose last permitted lease has expired."""
        query = select(self._row.id).where(self._is_exhausted(now, max_attempts))
        return list(self._session.scalars(query))

    def lock_exhausted(self, id_: str, *, now: datetime, max_attempts: int) -> Row | None:
        query = select(self._row).where(self._row.id == id_, self._is_exhausted(now, max_attempts))
        return self._session.scalar(query.with_for_update(key_share=True))

    def _is_exhausted(self, now: datetime, max_attempts: int) -> ColumnElement[bool]:
        row = self._row
        return and_(
            row.state == "running", row.lease_expires_at < now, row.attempts >= max_attempts
        )

    def has_future_times(self, *, now: datetime, lease_s: float, pause_s: float) -> bool:
        lease_too_long, pause_too_long = self._future_times(now, lease_s, pause_s)
        query = select(self._row.id).where(or_(lease_too_long, pause_too_long)).limit(1)
        return self._session.scalar(query) is not None

    def clamp_future_times(self, *, now: datetime, lease_s: float, pause_s: float) -> None:
        """Correct times that were written by a clock that was ahead.

        Leases then end at most `lease_s` from now, and queued rows are available at once.
        """
        lease_too_long, pause_too_long = self._future_times(now, lease_s, pause_s)
        expires_at = now + timedelta(seconds=lease_s)
        self._session.execute(
            update(self._row).where(lease_too_long).values(lease_expires_at=expires_at)
        )
        self._session.execute(update(self._row).where(pause_too_long).values(available_at=now))

    def _future_times(
        self, now: datetime, lease_s: float, pause_s: float
    ) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Conditions for leases and pauses that end later than any that could start now."""
        row = self._row
        # Another process may have read the clock slightly later.
        slack = timedelta(seconds=_CLOCK_SLACK_S)
        lease_end = now + timedelta(seconds=lease_s) + slack
        pause_end = now + timedelta(seconds=pause_s) + slack
        return (
            and_(row.state == "running", row.lease_expires_at > lease_end),
            and_(row.state == "queued", row.available_at > pause_end),
        )
