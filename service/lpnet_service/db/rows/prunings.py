"""Results of pruning jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import Sequence, UtcTime


class PruningRow(Base):
    """A candidate of a pruning job; `body_json` is the complete report."""

    __tablename__ = "prunings"
    __table_args__ = (
        UniqueConstraint("id"),
        Index("ix_prunings_target", "target", "seq"),
        Index("ix_prunings_space", "space", "seq"),
    )

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    id: Mapped[str]
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"))
    space: Mapped[str] = mapped_column(ForeignKey("spaces.hash"))
    chosen: Mapped[bool]
    body_json: Mapped[str] = mapped_column(Text)
    stored_at: Mapped[datetime] = mapped_column(UtcTime)
