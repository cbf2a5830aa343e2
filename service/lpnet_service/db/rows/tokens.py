"""Tokens, and the sessions of browsers that were opened by one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import UtcTime


class TokenRow(Base):
    """A token. Of its secret only the sha256 is kept.

    `scopes` are separated by spaces. `device` is that of an agent's token, which need not have
    registered yet. `requests_per_s` and `max_body_mib` are null where the service's hold.
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
    """A session of a browser, by the sha256 of its cookie. It ends with its token."""

    __tablename__ = "sessions"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(ForeignKey("tokens.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
