"""Work under leases: the same few statements for the agents' jobs and for the worker's runs.

A row is claimed by one UPDATE ... RETURNING. SQLite lets one writer in at a time; on Postgres the
inner SELECT skips rows that another claim is looking at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Update, and_, or_, select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import LeasedRow
from lpnet_service.ids import new_id

Row = TypeVar("Row", bound=LeasedRow)
_CLOCK_SLACK_S = 1.0


def _free(row: type[Row], now: datetime, max_attempts: int) -> ColumnElement[bool]:
    return and_(
        row.attempts < max_attempts,
        or_(
            and_(row.state == "queued", row.available_at <= now),
            and_(row.state == "running", row.lease_expires_at < now),
        ),
    )


def any_free(
    session: Session,
    row: type[Row],
    *where: ColumnElement[bool],
    now: datetime,
    max_attempts: int,
) -> bool:
    """Whether a claim would find something."""
    found = select(row.id).where(_free(row, now, max_attempts), *where).limit(1)
    return session.scalar(found) is not None


def claim(
    session: Session,
    row: type[Row],
    *where: ColumnElement[bool],
    order: Sequence[Any],
    now: datetime,
    lease_s: float,
    max_attempts: int,
    values: dict[str, Any] | None = None,
) -> Row | None:
    """Take the first free row under a new lease; None where there is none.

    Free is what is queued, and what runs under a lease that has expired, as long as it has been
    tried fewer than `max_attempts` times.
    """
    first = (
        select(row.id)
        .where(_free(row, now, max_attempts), *where)
        .order_by(*order)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken: dict[str, Any] = {
        "state": "running",
        "lease_token": new_id("lease"),
        "lease_expires_at": now + timedelta(seconds=lease_s),
        "attempts": row.attempts + 1,
    }
    return _apply(session, update(row).where(row.id == first), row, taken | (values or {}))


def any_ahead(
    session: Session, row: type[Row], *, now: datetime, lease_s: float, pause_s: float
) -> bool:
    """Whether `pull_back` would change something."""
    late_end, late_start = _ahead(row, now, lease_s, pause_s)
    found = select(row.id).where(or_(late_end, late_start)).limit(1)
    return session.scalar(found) is not None


def pull_back(
    session: Session, row: type[Row], *, now: datetime, lease_s: float, pause_s: float
) -> None:
    """Undo what a clock that was ahead has written: leases end within `lease_s` of now, and what
    is queued is offered."""
    late_end, late_start = _ahead(row, now, lease_s, pause_s)
    ends = now + timedelta(seconds=lease_s)
    session.execute(update(row).where(late_end).values(lease_expires_at=ends))
    session.execute(update(row).where(late_start).values(available_at=now))


def _ahead(
    row: type[Row], now: datetime, lease_s: float, pause_s: float
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Leases that end, and pauses that last, later than any that is given now."""
    # A process beside this one may have read the clock a moment later.
    slack = timedelta(seconds=_CLOCK_SLACK_S)
    return (
        and_(
            row.state == "running", row.lease_expires_at > now + timedelta(seconds=lease_s) + slack
        ),
        and_(row.state == "queued", row.available_at > now + timedelta(seconds=pause_s) + slack),
    )


def extend(
    session: Session,
    row: type[Row],
    token: str,
    *,
    now: datetime,
    lease_s: float,
    values: dict[str, Any] | None = None,
) -> Row | None:
    """Hold on to a lease for another `lease_s` seconds; None where it is lost."""
    held: dict[str, Any] = {"lease_expires_at": now + timedelta(seconds=lease_s)}
    mine = update(row).where(row.lease_token == token, row.state == "running")
    return _apply(session, mine, row, held | (values or {}))


def _apply(
    session: Session, statement: Update, row: type[Row], values: dict[str, Any]
) -> Row | None:
    options = {"populate_existing": True, "synchronize_session": False}
    return session.scalar(statement.values(values).returning(row), execution_options=options)


def of_token(session: Session, row: type[Row], token: str, *, lock: bool = False) -> Row | None:
    """The row that a lease holds, or was done under; `lock` keeps other writers off it."""
    query = select(row).where(row.lease_token == token)
    return session.scalar(query.with_for_update() if lock else query)


def release(row: LeasedRow, *, available_at: datetime, count: bool = True) -> None:
    """Put work back for anybody to take; `count=False` forgets this attempt."""
    row.state = "queued"
    row.lease_token = None
    row.lease_expires_at = None
    row.available_at = available_at
    if not count:
        row.attempts -= 1


def reopen(row: LeasedRow, *, available_at: datetime) -> None:
    """Put work back that was completed: it is to be done again. The token stays, so that a
    repeated completion is recognised; the attempt that went well does not count."""
    row.state = "queued"
    row.finished_at = None
    row.lease_expires_at = None
    row.available_at = available_at
    row.attempts -= 1


def end(row: LeasedRow, state: str, *, now: datetime) -> None:
    """The work is over: done, failed or cancelled."""
    row.state = state
    row.finished_at = now
    row.lease_expires_at = None
    if state != "done":
        row.lease_token = None


def worn_out(session: Session, row: type[Row], *, now: datetime, max_attempts: int) -> list[str]:
    """Ids of rows whose last permitted lease has expired."""
    return list(
        session.scalars(
            select(row.id).where(
                row.state == "running",
                row.lease_expires_at < now,
                row.attempts >= max_attempts,
            )
        )
    )


def still_worn_out(
    session: Session, row: type[Row], id_: str, *, now: datetime, max_attempts: int
) -> Row | None:
    """The row, locked, if it is still as `worn_out` said."""
    return session.scalar(
        select(row)
        .where(
            row.id == id_,
            row.state == "running",
            row.lease_expires_at < now,
            row.attempts >= max_attempts,
        )
        .with_for_update()
    )
