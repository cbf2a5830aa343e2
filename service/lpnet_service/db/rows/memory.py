"""Workloads that did not fit in a target's memory."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import UtcTime


class MemoryFailureRow(Base):
    """A workload that ran out of memory in an epoch; `at` is the first time."""

    __tablename__ = "memory_failures"

    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    workload_key: Mapped[str] = mapped_column(primary_key=True)
    workload_json: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcTime)
