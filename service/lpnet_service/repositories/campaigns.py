"""Campaigns and their jobs. How jobs are claimed and held is in `leases`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, literal, or_, select, text, tuple_
from sqlalchemy.orm import Session

from lpnet_service.db.rows import CampaignRow, JobRow, TargetRow

OPEN = ("queued", "running")


def offer_order() -> Sequence[Any]:
    """What a user waits for first, then by age."""
    return (JobRow.priority.desc(), JobRow.created_at, JobRow.position, JobRow.id)


def of_targets(targets: Sequence[str]) -> ColumnElement[bool]:
    """Jobs for those of the targets that may be measured on."""
    ready = select(TargetRow.name).where(TargetRow.condition == "ready")
    return JobRow.target.in_(ready.where(TargetRow.name.in_(targets)))


def page(
    session: Session,
    *,
    target: str | None,
    state: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
    oldest_first: bool = False,
) -> Sequence[CampaignRow]:
    """Campaigns from the newest on, or the other way; those behind the pair (creation, id)."""
    query = select(CampaignRow)
    if target is not None:
        query = query.where(CampaignRow.target == target)
    if state is not None:
        query = query.where(CampaignRow.state == state)
    if after is not None:
        here = tuple_(CampaignRow.created_at, CampaignRow.id)
        there = tuple_(literal(after[0], CampaignRow.created_at.type), literal(after[1]))
        query = query.where(here > there if oldest_first else here < there)
    order = (CampaignRow.created_at, CampaignRow.id)
    ordered = order if oldest_first else [column.desc() for column in order]
    return session.scalars(query.order_by(*ordered).limit(limit)).all()


@dataclass(frozen=True)
class Counts:
    """What the jobs of a campaign come to: samples, those of them that are disturbed, jobs that
    are not over, and when the first was taken; None: none was."""

    measured: int = 0
    disturbed: int = 0
    open: int = 0
    started_at: datetime | None = None


def counts(session: Session, campaigns: Sequence[str]) -> dict[str, Counts]:
    """The counts of each of several campaigns."""
    found = dict.fromkeys(campaigns, Counts())
    is_open = func.sum(case((JobRow.state.in_(OPEN), 1), else_=0))
    query = select(
        JobRow.campaign,
        func.sum(JobRow.measured),
        func.sum(JobRow.disturbed),
        is_open,
        func.min(JobRow.started_at),
    ).where(JobRow.campaign.in_(campaigns))
    for id_, measured, disturbed, left, started_at in session.execute(
        query.group_by(JobRow.campaign)
    ):
        found[id_] = Counts(int(measured), int(disturbed), int(left), started_at)
    return found


def failures(session: Session, campaigns: Sequence[str]) -> dict[str, list[str]]:
    """Why workloads of each of several campaigns have no sample, a reason each."""
    found: dict[str, list[str]] = {id_: [] for id_ in campaigns}
    query = select(JobRow.campaign, JobRow.failures_json).where(
        # As text: only so the index of jobs that have failures is known to hold them all.
        JobRow.campaign.in_(campaigns),
        text("failures_json <> '[]'"),
    )
    for id_, reasons in session.execute(query.order_by(JobRow.position)):
        found[id_] += json.loads(reasons)
    return found


def get(session: Session, id_: str) -> CampaignRow | None:
    return session.get(CampaignRow, id_)


def spaces_of_device(session: Session, device: str) -> Sequence[str]:
    """The spaces that campaigns on a device's targets measure, or have measured."""
    query = select(CampaignRow.space).distinct()
    named = query.join(TargetRow, TargetRow.name == CampaignRow.target)
    return session.scalars(named.where(TargetRow.device == device)).all()


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


def job(session: Session, id_: str) -> JobRow | None:
    return session.get(JobRow, id_)


def open_jobs(session: Session, campaign: str) -> int:
    """How many jobs of a campaign are not over."""
    count = select(func.count()).where(JobRow.campaign == campaign, JobRow.state.in_(OPEN))
    return session.scalar(count) or 0


@dataclass(frozen=True)
class Work:
    """Open jobs of a target: held under a lease that goes on, the oldest `since`, and others."""

    held: int
    since: datetime | None
    queued: int


def work(session: Session, now: datetime) -> dict[str, Work]:
    """The open jobs of every target that has some."""
    holds = and_(JobRow.state == "running", JobRow.lease_expires_at >= now)
    held = func.sum(case((holds, 1), else_=0))
    since = func.min(case((holds, JobRow.started_at)))
    query = select(JobRow.target, held, since, func.count())
    rows = session.execute(query.where(JobRow.state.in_(OPEN)).group_by(JobRow.target))
    return {
        target: Work(held=int(held), since=since, queued=int(count) - int(held))
        for target, held, since, count in rows
    }


def queue(session: Session, target: str, priority: int) -> Row[int, int]:
    """Open jobs of a target that go before a new one of this priority, and how many workloads of
    them are not measured yet."""
    before = or_(JobRow.priority >= priority, JobRow.state == "running")
    left = func.coalesce(func.sum(JobRow.items - JobRow.measured), 0)
    query = select(func.count(), left)
    return session.execute(
        query.where(JobRow.target == target, JobRow.state.in_(OPEN), before)
    ).one()


def finished_jobs(session: Session, target: str, most: int) -> Sequence[JobRow]:
    """The jobs of a target that were done last, those that took more than one lease left out."""
    done = select(JobRow).where(
        JobRow.target == target,
        JobRow.state == "done",
        JobRow.offered == JobRow.items,
        JobRow.started_at.is_not(None),
        JobRow.finished_at.is_not(None),
    )
    return session.scalars(done.order_by(JobRow.finished_at.desc(), JobRow.id).limit(most)).all()
