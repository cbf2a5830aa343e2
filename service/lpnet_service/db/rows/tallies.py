"""Counts, medians and spreads of samples; updated by every change of samples."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base


class EpochRow(Base):
    """How many samples an epoch of a target has, without sentinels, and its noise floor.

    `repeated` workloads were measured in two sessions apart; see `lpnet.noise`.
    """

    __tablename__ = "epochs"

    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    samples: Mapped[int]
    noise_floor_pct: Mapped[float | None]
    noise_low_pct: Mapped[float | None]
    noise_high_pct: Mapped[float | None]
    repeated: Mapped[int] = mapped_column(default=0, server_default="0")


class GroupRow(Base):
    """How many samples of an epoch have the same values in all columns that tables filter by.

    `key` is a hash of the other columns, and samples refer to it. Empty groups have no row.
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
    """A workload of an epoch with undisturbed samples.

    `latency_ms` is their median. `spread` is the difference between the sessions that measured it,
    relative to their mean; null if no two sessions are apart in time.
    """

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
        # Read by ranges of the key, so rows are stored in key order.
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
