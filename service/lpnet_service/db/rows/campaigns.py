"""Campaigns and the jobs they are cut into."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base, LeasedRow
from lpnet_service.db.types import UtcTime


class CampaignRow(Base):
    """A campaign. `stage` (drawn, planning, pruned) says which of its jobs exist.

    `total` counts its workloads, with networks that are still to be chosen. `unplanned` counts the
    networks that could not be chosen, and `unplanned_json` lists the reasons.
    """

    __tablename__ = "campaigns"

    id: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), index=True)
    space: Mapped[str] = mapped_column(ForeignKey("spaces.hash"))
    state: Mapped[str] = mapped_column(default="running")
    stage: Mapped[str] = mapped_column(default="drawn")
    request_json: Mapped[str] = mapped_column(Text)
    total: Mapped[int]
    unplanned: Mapped[int] = mapped_column(default=0)
    unplanned_json: Mapped[str] = mapped_column(Text, default="[]")
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class JobRow(LeasedRow):
    """A few workloads for one agent. `failures_json` lists a reason per failed workload.

    Jobs are offered by `priority`, then age, then `position`. `offered` counts the items of the
    last lease, `measured` the items with a sample, `disturbed` those whose sample is disturbed.
    `ended` counts completions: after the first, only items with a disturbed sample are offered.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_offer", "target", "state", "priority", "created_at"),
        Index("ix_jobs_expiry", "state", "lease_expires_at"),
        # All columns that a campaign counts: in a row they come after the long items.
        Index("ix_jobs_campaign", "campaign", "state", "measured", "disturbed", "started_at"),
        Index(
            "ix_jobs_failures",
            *("campaign", "position"),
            sqlite_where=text("failures_json <> '[]'"),
            postgresql_where=text("failures_json <> '[]'"),
        ),
    )

    campaign: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"))
    priority: Mapped[int] = mapped_column(default=0)
    position: Mapped[int]
    fresh_session: Mapped[bool]
    items_json: Mapped[str] = mapped_column(Text)
    items: Mapped[int]
    offered: Mapped[int] = mapped_column(default=0, server_default="0")
    measured: Mapped[int] = mapped_column(default=0)
    disturbed: Mapped[int] = mapped_column(default=0, server_default="0")
    ended: Mapped[int] = mapped_column(default=0, server_default="0")
    failures_json: Mapped[str] = mapped_column(Text, default="[]")
    agent: Mapped[str | None] = mapped_column(ForeignKey("agents.id"))
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
