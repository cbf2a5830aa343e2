"""Tokens, and the browser sessions that they opened."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import UtcTime


class TokenRow(Base):
    """A token, with the sha256 of its secret.

    `scopes` are separated by spaces. `device` limits the token of an agent; the device may not be
    registered yet. `requests_per_s` and `max_body_mib` override those of the service if not null.
    """

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[str]
    device: Mapped[str | None]
    requests_per_s: Mapped[float | None]
    max_body_mib: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SessionRow(Base):
    """A browser session by the sha256 of its cookie. It ends with its token."""

    __tablename__ = "sessions"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(ForeignKey("tokens.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
