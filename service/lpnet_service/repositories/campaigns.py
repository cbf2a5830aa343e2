"""Campaigns and their jobs. How jobs are claimed and held is in `leases`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import CampaignRow, JobRow

OPEN = ("queued", "running")


def offer_order() -> Sequence[Any]:
    """What a user waits for first, then by age."""
    return (JobRow.priority.desc(), JobRow.created_at, JobRow.position, JobRow.id)


def of_targets(targets: Sequence[str]) -> ColumnElement[bool]:
    return JobRow.target.in_(targets)


def page(session: Session, limit: int) -> Sequence[CampaignRow]:
    """The newest campaigns."""
    newest = select(CampaignRow).order_by(CampaignRow.created_at.desc(), CampaignRow.id)
    return session.scalars(newest.limit(limit)).all()


def get(session: Session, id_: str) -> CampaignRow | None:
    return session.get(CampaignRow, id_)


def lock(session: Session, id_: str) -> CampaignRow | None:
    """The campaign, held against other writers until this transaction ends.

    Whoever ends a job holds its campaign first: of two jobs that end at once, the second then sees
    that it is the last.
    """
    return session.scalar(
        select(CampaignRow)
        .where(CampaignRow.id == id_)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def jobs(session: Session, campaign: str) -> Sequence[JobRow]:
    return session.scalars(
        select(JobRow).where(JobRow.campaign == campaign).order_by(JobRow.position)
    ).all()


def jobs_of(session: Session, campaigns: Sequence[str]) -> dict[str, list[JobRow]]:
    """The jobs of each of several campaigns."""
    found: dict[str, list[JobRow]] = {id_: [] for id_ in campaigns}
    query = select(JobRow).where(JobRow.campaign.in_(campaigns)).order_by(JobRow.position)
    for job in session.scalars(query):
        found[job.campaign].append(job)
    return found


def job(session: Session, id_: str) -> JobRow | None:
    return session.get(JobRow, id_)


def open_jobs(session: Session, campaign: str) -> int:
    """How many jobs of a campaign are not over."""
    count = select(func.count()).where(JobRow.campaign == campaign, JobRow.state.in_(OPEN))
    return session.scalar(count) or 0


def measuring(session: Session, now: datetime) -> set[str]:
    """Targets for which a job is held right now."""
    held = select(JobRow.target).where(JobRow.state == "running", JobRow.lease_expires_at >= now)
    return set(session.scalars(held.distinct()))
