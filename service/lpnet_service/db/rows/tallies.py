"""What is known of samples without reading them all; kept in step by whoever writes samples."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base


class EpochRow(Base):
    """How many samples an epoch of a target has, sentinels left out, and its noise floor."""

    __tablename__ = "epochs"

    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    samples: Mapped[int]
    noise_floor_pct: Mapped[float | None]


class GroupRow(Base):
    """Samples of an epoch that are alike in all that a table is filtered by, and their count.

    `key` is made of the other columns; samples carry it. A group that became empty has no row.
    """

    __tablename__ = "sample_groups"
    __table_args__ = (Index("ix_sample_groups_epoch", "target", "epoch"),)

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"))
    epoch: Mapped[int]
    kind: Mapped[str]
    space: Mapped[str | None] = mapped_column(ForeignKey("spaces.hash"))
    block: Mapped[str | None]
    draw: Mapped[str | None]
    disturbed: Mapped[bool]
    samples: Mapped[int]


class WorkloadRow(Base):
    """A workload of an epoch that has undisturbed samples: their median, and how far apart
    sessions are that measured it, relative to their mean; null where there is but one."""

    __tablename__ = "workloads"
    __table_args__ = (
        Index(
            "ix_workloads_spread",
            "target",
            "epoch",
            "spread",
            sqlite_where=text("spread IS NOT NULL"),
            postgresql_where=text("spread IS NOT NULL"),
        ),
        # Read by ranges of its key: rows lie in its order.
        {"sqlite_with_rowid": False},
    )

    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    workload_key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    space: Mapped[str | None] = mapped_column(ForeignKey("spaces.hash"))
    block: Mapped[str | None]
    latency_ms: Mapped[float]
    spread: Mapped[float | None]
