"""Samples, and which workloads are held out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import Sequence, UtcTime


class SampleRow(Base):
    """A sample. `body_json` is the sample as it was sent; the other columns are for queries.

    An id is unique within a target, so that a table can be imported again for another target.
    `sentinel` names the sentinel that it is a reading of; null: a workload. `taken_at` is when it
    was measured or, if that is unknown, stored. `group_key` refers to its GroupRow; null for
    sentinels.
    """

    __tablename__ = "samples"
    __table_args__ = (
        UniqueConstraint("target", "id"),
        # Long walks read these indexes alone: they hold the columns of all conditions.
        Index("ix_samples_taken", "target", "epoch", "taken_at", "seq", "latency_ms", "group_key"),
        Index("ix_samples_latency", "target", "epoch", "latency_ms", "seq", "group_key"),
        Index("ix_samples_workload", "target", "epoch", "workload_key", "group_key"),
        Index("ix_samples_campaign", "campaign", "seq"),
        # Partial: otherwise SQLite uses it to find samples that are not sentinels.
        Index(
            "ix_samples_sentinel",
            *("target", "sentinel", "taken_at", "seq"),
            sqlite_where=text("sentinel IS NOT NULL"),
            postgresql_where=text("sentinel IS NOT NULL"),
        ),
        Index("ix_samples_group_taken", "group_key", "taken_at", "seq"),
        Index("ix_samples_group_latency", "group_key", "latency_ms", "seq"),
    )

    seq: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    id: Mapped[str]
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"))
    epoch: Mapped[int]
    campaign: Mapped[str | None] = mapped_column(ForeignKey("campaigns.id"))
    kind: Mapped[str]
    workload_key: Mapped[str]
    space: Mapped[str | None] = mapped_column(ForeignKey("spaces.hash"))
    block: Mapped[str | None]
    draw: Mapped[str | None]
    session: Mapped[str | None]
    latency_ms: Mapped[float]
    sentinel: Mapped[str | None]
    disturbed: Mapped[bool]
    group_key: Mapped[int | None] = mapped_column(BigInteger)
    taken_at: Mapped[datetime] = mapped_column(UtcTime)
    stored_at: Mapped[datetime] = mapped_column(UtcTime)
    body_json: Mapped[str] = mapped_column(Text)


class SideRow(Base):
    """Whether a workload is held out or trained on: its side, drawn once per epoch."""

    __tablename__ = "workload_sides"
    __table_args__ = (
        Index(
            "ix_workload_sides_held_out",
            *("target", "epoch", "workload_key"),
            sqlite_where=text("held_out IS 1"),
            postgresql_where=text("held_out IS true"),
        ),
    )

    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    workload_key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    held_out: Mapped[bool]


class DoubtRow(Base):
    """A workload that a fit without it did not explain, and that is measured again for that.

    `again` is the id of the second sample, and `outcome` what it showed: confirmed (both samples
    count), replaced (the first is marked as disturbed) or kept (the second is); null: not known.
    """

    __tablename__ = "doubts"
    __table_args__ = (Index("ix_doubts_again", "target", "again"),)

    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    workload_key: Mapped[str] = mapped_column(primary_key=True)
    again: Mapped[str]
    measured_ms: Mapped[float]
    predicted_ms: Mapped[float]
    outcome: Mapped[str | None]
