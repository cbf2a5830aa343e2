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

OPEN_STATES = ("queued", "running")


@dataclass(frozen=True)
class JobCounts:
    """What the jobs of a campaign come to: samples, those of them that are disturbed, jobs that
    are not over, and when the first was taken; None: none was."""

    measured: int = 0
    disturbed: int = 0
    open: int = 0
    started_at: datetime | None = None


@dataclass(frozen=True)
class OpenJobs:
    """Open jobs of a target: held under a lease that goes on, the oldest `since`, and others."""

    held: int
    since: datetime | None
    queued: int


class CampaignRepository:
    """Campaigns and their jobs; LeaseRepository claims and holds the jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(
        self,
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
        return self._session.scalars(query.order_by(*ordered).limit(limit)).all()

    def counts(self, campaigns: Sequence[str]) -> dict[str, JobCounts]:
        """The counts of each of several campaigns."""
        found = dict.fromkeys(campaigns, JobCounts())
        is_open = func.sum(case((JobRow.state.in_(OPEN_STATES), 1), else_=0))
        query = select(
            JobRow.campaign,
            func.sum(JobRow.measured),
            func.sum(JobRow.disturbed),
            is_open,
            func.min(JobRow.started_at),
        ).where(JobRow.campaign.in_(campaigns))
        for id_, measured, disturbed, left, started_at in self._session.execute(
            query.group_by(JobRow.campaign)
        ):
            found[id_] = JobCounts(int(measured), int(disturbed), int(left), started_at)
        return found

    def failures(self, campaigns: Sequence[str]) -> dict[str, list[str]]:
        """Why workloads of each of several campaigns have no sample, a reason each."""
        found: dict[str, list[str]] = {id_: [] for id_ in campaigns}
        query = select(JobRow.campaign, JobRow.failures_json).where(
            # As text: only so the index of jobs that have failures is known to hold them all.
            JobRow.campaign.in_(campaigns),
            text("failures_json <> '[]'"),
        )
        for id_, reasons in self._session.execute(query.order_by(JobRow.position)):
            found[id_] += json.loads(reasons)
        return found

    def get(self, id_: str) -> CampaignRow | None:
        return self._session.get(CampaignRow, id_)

    def spaces_of_device(self, device: str) -> Sequence[str]:
        """The spaces that campaigns on a device's targets measure, or have measured."""
        query = select(CampaignRow.space).distinct()
        named = query.join(TargetRow, TargetRow.name == CampaignRow.target)
        return self._session.scalars(named.where(TargetRow.device == device)).all()

    def lock(self, id_: str) -> CampaignRow | None:
        """The campaign, held against other writers until this transaction ends.

        Whoever ends a job holds its campaign first: of two jobs that end at once, the second then sees
        that it is the last.
        """
        return self._session.scalar(
            select(CampaignRow)
            .where(CampaignRow.id == id_)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    def jobs(self, campaign: str) -> Sequence[JobRow]:
        return self._session.scalars(
            select(JobRow).where(JobRow.campaign == campaign).order_by(JobRow.position)
        ).all()

    def get_job(self, id_: str) -> JobRow | None:
        return self._session.get(JobRow, id_)

    def count_open_jobs(self, campaign: str) -> int:
        """How many jobs of a campaign are not over."""
        count = select(func.count()).where(
            JobRow.campaign == campaign, JobRow.state.in_(OPEN_STATES)
        )
        return self._session.scalar(count) or 0

    def open_jobs_by_target(self, now: datetime) -> dict[str, OpenJobs]:
        """The open jobs of every target that has some."""
        holds = and_(JobRow.state == "running", JobRow.lease_expires_at >= now)
        held = func.sum(case((holds, 1), else_=0))
        since = func.min(case((holds, JobRow.started_at)))
        query = select(JobRow.target, held, since, func.count())
        rows = self._session.execute(
            query.where(JobRow.state.in_(OPEN_STATES)).group_by(JobRow.target)
        )
        return {
            target: OpenJobs(held=int(held), since=since, queued=int(count) - int(held))
            for target, held, since, count in rows
        }

    def queue_ahead(self, target: str, priority: int) -> Row[int, int]:
        """Open jobs of a target that go before a new one of this priority, and how many workloads of
        them are not measured yet."""
        before = or_(JobRow.priority >= priority, JobRow.state == "running")
        left = func.coalesce(func.sum(JobRow.items - JobRow.measured), 0)
        query = select(func.count(), left)
        return self._session.execute(
            query.where(JobRow.target == target, JobRow.state.in_(OPEN_STATES), before)
        ).one()

    def finished_jobs(self, target: str, most: int) -> Sequence[JobRow]:
        """The jobs of a target that were done last, those that took more than one lease left out."""
        done = select(JobRow).where(
            JobRow.target == target,
            JobRow.state == "done",
            JobRow.offered == JobRow.items,
            JobRow.started_at.is_not(None),
            JobRow.finished_at.is_not(None),
        )
        return self._session.scalars(
            done.order_by(JobRow.finished_at.desc(), JobRow.id).limit(most)
        ).all()


def offer_order() -> Sequence[Any]:
    """What a user waits for first, then by age."""
    return (JobRow.priority.desc(), JobRow.created_at, JobRow.position, JobRow.id)


def on_ready_targets(targets: Sequence[str]) -> ColumnElement[bool]:
    """Jobs for those of the targets that may be measured on."""
    ready = select(TargetRow.name).where(TargetRow.condition == "ready")
    return JobRow.target.in_(ready.where(TargetRow.name.in_(targets)))
