"""Base classes of rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lpnet_service.db.types import UtcTime

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all rows. Constraints have names, so that migrations can refer to them."""

    metadata = MetaData(naming_convention=_NAMES)


class LeasedRow(Base):
    """Work that one process at a time holds under a lease that expires.

    `state` is queued, running, done, failed or cancelled. `lease_token` names the lease of running
    work. Results are applied `WHERE lease_token = ...`: zero rows means that another process holds
    the work. The token stays on work that is done, so that a repeated completion is recognised;
    every other end of a lease clears it.
    """

    __abstract__ = True

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="queued")
    lease_token: Mapped[str | None] = mapped_column(unique=True)
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    attempts: Mapped[int] = mapped_column(default=0)
    available_at: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)

    def release(self, *, available_at: datetime, count: bool = True) -> None:
        """Queue the work again; `count=False` does not count this attempt."""
        self.state = "queued"
        self.lease_token = None
        self.lease_expires_at = None
        self.available_at = available_at
        if not count:
            self.attempts -= 1

    def reopen(self, *, available_at: datetime) -> None:
        """Queue completed work once more, without counting the completed attempt.

        The token stays, so that a repeated completion is recognised.
        """
        self.state = "queued"
        self.finished_at = None
        self.lease_expires_at = None
        self.available_at = available_at
        self.attempts -= 1

    def end(self, state: str, *, now: datetime) -> None:
        self.state = state
        self.finished_at = now
        self.lease_expires_at = None
        if state != "done":
            self.lease_token = None
