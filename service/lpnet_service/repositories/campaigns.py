"""Campaigns and their jobs. Jobs are claimed and held in `leases`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session

from lpnet_service.db.rows import CampaignRow, JobRow, TargetRow

OPEN_STATES = ("queued", "running")


@dataclass(frozen=True)
class JobCounts:
    """Totals over the jobs of a campaign. `open` counts jobs that are queued or running;
    `started_at` is when the first was claimed."""

    measured: int = 0
    disturbed: int = 0
    open: int = 0
    started_at: datetime | None = None


@dataclass(frozen=True)
class CompletedCounts:
    """Workloads of completed jobs: measured, and the disturbed among them."""

    measured: int = 0
    disturbed: int = 0


@dataclass(frozen=True)
class OpenJobs:
    """Open jobs of a target: `leased` now, the oldest since `since`, and `queued`."""

    leased: int
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
        """Campaigns after the pair (creation time, id), newest first unless `oldest_first`."""
        query = select(CampaignRow)
        if target is not None:
            query = query.where(CampaignRow.target == target)
        if state is not None:
            query = query.where(CampaignRow.state == state)
        if after is not None:
            position = tuple_(CampaignRow.created_at, CampaignRow.id)
            cursor = tuple_(literal(after[0], CampaignRow.created_at.type), literal(after[1]))
            query = query.where(position > cursor if oldest_first else position < cursor)
        order = (CampaignRow.created_at, CampaignRow.id)
        ordered = order if oldest_first else [column.desc() for column in order]
        return self._session.scalars(query.order_by(*ordered).limit(limit)).all()

    def counts(self, campaigns: Sequence[str]) -> dict[str, JobCounts]:
        counts = dict.fromkeys(campaigns, JobCounts())
        open_jobs = func.sum(case((JobRow.state.in_(OPEN_STATES), 1), else_=0))
        query = select(
            JobRow.campaign,
            func.sum(JobRow.measured),
            func.sum(JobRow.disturbed),
            open_jobs,
            func.min(JobRow.started_at),
        ).where(JobRow.campaign.in_(campaigns))
        rows = self._session.execute(query.group_by(JobRow.campaign))
        for id_, measured, disturbed, open_, started_at in rows:
            counts[id_] = JobCounts(int(measured), int(disturbed), int(open_), started_at)
        return counts

    def count_completed(self, campaign: str) -> CompletedCounts:
        """Counts over the jobs that were completed at least once."""
        # A job that is offered again after its completion has disturbed samples.
        completed = or_(JobRow.state.in_(("done", "failed")), JobRow.disturbed > 0)
        query = select(func.sum(JobRow.measured), func.sum(JobRow.disturbed))
        row = self._session.execute(query.where(JobRow.campaign == campaign, completed)).one()
        return CompletedCounts(int(row[0] or 0), int(row[1] or 0))

    def failures(self, campaigns: Sequence[str]) -> dict[str, list[str]]:
        failures: dict[str, list[str]] = {id_: [] for id_ in campaigns}
        query = select(JobRow.campaign, JobRow.failures_json).where(
            # As text: otherwise the partial index of jobs with failures is not used.
            JobRow.campaign.in_(campaigns),
            text("failures_json <> '[]'"),
        )
        for id_, reasons in self._session.execute(query.order_by(JobRow.position)):
            failures[id_] += json.loads(reasons)
        return failures

    def get(self, id_: str) -> CampaignRow | None:
        return self._session.get(CampaignRow, id_)

    def spaces_of_device(self, device: str) -> Sequence[str]:
        query = select(CampaignRow.space).distinct()
        query = query.join(TargetRow, TargetRow.name == CampaignRow.target)
        return self._session.scalars(query.where(TargetRow.device == device)).all()

    def lock(self, id_: str) -> CampaignRow | None:
        """The campaign, locked until the transaction ends.

        Lock the campaign before ending one of its jobs. If two jobs end at once, the second then
        sees that it is the last. Claims of its jobs, which check their foreign keys, do not wait.
        """
        return self._session.scalar(
            select(CampaignRow)
            .where(CampaignRow.id == id_)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )

    def ready_targets_with_job(self, where: ColumnElement[bool]) -> Sequence[str]:
        """Names of ready targets that have a job for which the condition holds."""
        job = exists().where(JobRow.target == TargetRow.name, where)
        return self._session.scalars(
            select(TargetRow.name).where(TargetRow.condition == "ready", job)
        ).all()

    def jobs(self, campaign: str) -> Sequence[JobRow]:
        return self._session.scalars(
            select(JobRow).where(JobRow.campaign == campaign).order_by(JobRow.position)
        ).all()

    def queued_repeats(self, campaign: str) -> Sequence[JobRow]:
        """Jobs that repeat workloads in a new session and have not been offered yet."""
        query = select(JobRow).where(
            JobRow.campaign == campaign,
            JobRow.fresh_session,
            JobRow.state == "queued",
            JobRow.ended == 0,
        )
        return self._session.scalars(query).all()

    def get_job(self, id_: str) -> JobRow | None:
        return self._session.get(JobRow, id_)

    def count_open_jobs(self, campaign: str, *, repeats: bool = True) -> int:
        """With `repeats=False`, without the jobs that repeat workloads in a new session."""
        count = select(func.count()).where(
            JobRow.campaign == campaign, JobRow.state.in_(OPEN_STATES)
        )
        if not repeats:
            count = count.where(~JobRow.fresh_session)
        return self._session.scalar(count) or 0

    def open_jobs_by_target(self, now: datetime) -> dict[str, OpenJobs]:
        is_leased = and_(JobRow.state == "running", JobRow.lease_expires_at >= now)
        leased = func.sum(case((is_leased, 1), else_=0))
        since = func.min(case((is_leased, JobRow.started_at)))
        query = select(JobRow.target, leased, since, func.count())
        rows = self._session.execute(
            query.where(JobRow.state.in_(OPEN_STATES)).group_by(JobRow.target)
        )
        return {
            target: OpenJobs(leased=int(leased), since=since, queued=int(count) - int(leased))
            for target, leased, since, count in rows
        }

    def queue_ahead(self, target: str, priority: int) -> Row[int, int]:
        """How many jobs precede a new job of this priority, and how many of their workloads are
        not measured yet."""
        goes_first = or_(JobRow.priority >= priority, JobRow.state == "running")
        unmeasured = func.coalesce(func.sum(JobRow.items - JobRow.measured), 0)
        query = select(func.count(), unmeasured)
        return self._session.execute(
            query.where(JobRow.target == target, JobRow.state.in_(OPEN_STATES), goes_first)
        ).one()

    def finished_jobs(self, target: str, limit: int) -> Sequence[JobRow]:
        """The latest jobs of a target that were completed in one lease, newest first."""
        query = select(JobRow).where(
            JobRow.target == target,
            JobRow.state == "done",
            JobRow.offered == JobRow.items,
            JobRow.started_at.is_not(None),
            JobRow.finished_at.is_not(None),
        )
        return self._session.scalars(
            query.order_by(JobRow.finished_at.desc(), JobRow.id).limit(limit)
        ).all()


def offer_order() -> Sequence[Any]:
    return (JobRow.priority.desc(), JobRow.created_at, JobRow.position, JobRow.id)


def on_ready_targets(targets: Sequence[str]) -> ColumnElement[bool]:
    ready = select(TargetRow.name).where(TargetRow.condition == "ready")
    return JobRow.target.in_(ready.where(TargetRow.name.in_(targets)))
