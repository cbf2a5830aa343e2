"""Spaces."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import UtcTime


class SpaceRow(Base):
    __tablename__ = "spaces"

    hash: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    info_json: Mapped[str] = mapped_column(Text)
    file: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
