"""Campaigns: drawn, cut into jobs, followed to their end.

A campaign first measures the drawn workloads and their repeats. If it also asks for pruned
networks, a run of kind `plan` then chooses them with a provisional LPNet, and they become jobs
too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.schemas.campaign import (
    Campaign,
    CampaignList,
    CampaignState,
    LeasedItem,
    NewCampaign,
    PlannedWorkload,
)
from lpnet.schemas.problem import FieldError
from lpnet.schemas.quality import ENOUGH_WORKLOADS
from lpnet.space.sampling import plan
from lpnet_service.db.announcements import announce
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import CampaignRow, JobRow, RunRow
from lpnet_service.errors import Conflict, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.campaigns import OPEN_STATES, CampaignRepository
from lpnet_service.repositories.runs import RunRepository
from lpnet_service.services.measuring.ingest import raise_if_invalid
from lpnet_service.services.measuring.planning import cut_into_jobs, random_blocks, repeats
from lpnet_service.services.measuring.progress import progress
from lpnet_service.services.shared import cursors, loaded_spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

# Workloads that a user lists go before drawn ones.
_LISTED_PRIORITY, _DRAWN_PRIORITY = 1, 0
_SORT = "-created_at"
_NOTHING_TO_PLAN_FROM = "no undisturbed sample from which further workloads could be chosen"


@retried
def create(ctx: Context, new: NewCampaign) -> Campaign:
    """Start a campaign.

    Raises BadRequest for workloads that the space does not have, Conflict for a target that no
    agent measures.
    """
    drawn = draw(ctx, new)
    now = ctx.clock.now()
    row = CampaignRow(
        id=new_id("campaign"),
        target=new.target,
        space=new.space,
        request_json=new.model_dump_json(exclude={"workloads"}),
        total=drawn.total,
        created_at=now,
    )
    fields.bind(campaign=row.id, target=row.target)
    with ctx.db.write() as session:
        session.add(row)
        session.flush()
        add_jobs(
            session,
            row,
            drawn.workloads,
            now=now,
            priority=priority(new),
            first=first_job_size(new),
        )
        start = len(drawn.workloads)
        add_jobs(session, row, drawn.repeats, now=now, fresh_session=True, start=start)
    return get(ctx, row.id)


@dataclass(frozen=True)
class DrawnWorkloads:
    """What a campaign measures.

    `repeats` are measured again in another session; `pruned` networks and `chosen` blocks are
    chosen later.
    """

    workloads: Sequence[PlannedWorkload]
    repeats: Sequence[PlannedWorkload]
    pruned: int
    chosen: int = 0

    @property
    def total(self) -> int:
        return len(self.workloads) + len(self.repeats) + self.pruned + self.chosen


def priority(new: NewCampaign) -> int:
    return _LISTED_PRIORITY if new.workloads else _DRAWN_PRIORITY


def first_job_size(new: NewCampaign) -> int | None:
    """Maximum size of the first job. That of drawn workloads is small, so that a target that
    cannot be measured is known early; None: as the others."""
    return None if new.workloads else ENOUGH_WORKLOADS


def draw(ctx: Context, new: NewCampaign) -> DrawnWorkloads:
    """The workloads of a campaign; equal requests give equal workloads. Raises as `create`
    does."""
    with ctx.db.read() as session:
        if require_target(session, new.target).source == "imported":
            raise Conflict(f"target {new.target!r} is imported: no agent measures it")
    space = loaded_spaces.load_space(ctx, new.space).space
    if new.workloads:
        raise_if_invalid(
            FieldError(field=f"workloads.{index}.workload.{error.field}", reason=error.reason)
            for index, planned in enumerate(new.workloads)
            for error in loaded_spaces.workload_errors(ctx, planned.kind, planned.workload)
        )
        return DrawnWorkloads(new.workloads, (), 0)
    blocks = random_blocks(new)
    drawn = plan(space, blocks=blocks, networks=new.networks, seed=new.seed, batch=new.batch)
    return DrawnWorkloads(drawn, repeats(drawn, new.repeats), new.pruned, new.blocks - blocks)


def add_jobs(
    session: Session,
    campaign: CampaignRow,
    workloads: Sequence[PlannedWorkload],
    *,
    now: datetime,
    priority: int = _DRAWN_PRIORITY,
    fresh_session: bool = False,
    first: int | None = None,
    start: int = 0,
) -> list[LeasedItem]:
    """Cut workloads into jobs of a campaign; returns their items. `start` is the position of the
    first job, `first` its maximum size."""
    added = list[LeasedItem]()
    for index, part in enumerate(cut_into_jobs(workloads, first)):
        items = [
            LeasedItem(id=new_id("item"), **planned.model_dump(mode="python")) for planned in part
        ]
        session.add(
            JobRow(
                id=new_id("job"),
                campaign=campaign.id,
                target=campaign.target,
                priority=priority,
                position=start + index,
                fresh_session=fresh_session,
                items_json=json.dumps([item.model_dump(mode="json") for item in items]),
                items=len(items),
                available_at=now,
                created_at=now,
            )
        )
        added += items
    announce(session, campaign.target)
    return added


def get(ctx: Context, id_: str) -> Campaign:
    with ctx.db.read() as session:
        row = CampaignRepository(session).get(id_)
        if row is None:
            raise NotFound("campaign", id_)
        (campaign,) = progress(ctx, session, [row])
    return campaign


def page(
    ctx: Context,
    *,
    target: str | None = None,
    state: CampaignState | None = None,
    after: str | None = None,
    limit: int,
) -> CampaignList:
    cursor = cursors.parse_cursor(after, _SORT, cursors.parse_time, str)
    with ctx.db.read() as session:
        rows = CampaignRepository(session).page(
            target=target,
            state=state,
            after=None if cursor is None else (cursor.value, cursor.tie),
            limit=limit + 1,
            oldest_first=cursor is not None and cursor.back,
        )
        page_rows = cursors.cut_page(
            rows, _SORT, cursor, limit, lambda row: (row.created_at.isoformat(), row.id)
        )
        items = progress(ctx, session, page_rows.rows)
    return CampaignList(items=tuple(items), next=page_rows.next, previous=page_rows.previous)


@retried
def cancel(ctx: Context, id_: str) -> Campaign:
    """Cancel a campaign: its jobs are no longer offered, and leases on them are lost.

    Measured samples stay. A campaign that has ended does not change.
    """
    now = ctx.clock.now()
    with ctx.db.write() as session:
        campaigns = CampaignRepository(session)
        row = campaigns.lock(id_)
        if row is None:
            raise NotFound("campaign", id_)
        if row.state == "running":
            row.state, row.finished_at = "cancelled", now
            for job in campaigns.jobs(id_):
                if job.state in OPEN_STATES:
                    job.end("cancelled", now=now)
            for run in RunRepository(session).open_of_campaign(id_):
                run.end("cancelled", now=now)
    return get(ctx, id_)


def advance(session: Session, row: CampaignRow, now: datetime) -> None:
    """Move a campaign to its next stage if all its jobs have ended. The caller holds its lock."""
    session.flush()
    campaigns = CampaignRepository(session)
    if row.state != "running" or row.stage == "planning":
        return
    # Repeats wait for a while, and planning does not need them.
    if campaigns.count_open_jobs(row.id, repeats=False):
        return
    jobs = campaigns.jobs(row.id)
    good = sum(job.measured - job.disturbed for job in jobs)
    missing = row.total - sum(job.items for job in jobs)
    if row.stage == "drawn" and missing and good:
        row.stage = "planning"
        session.add(_plan_run(row, now))
        return
    if campaigns.count_open_jobs(row.id):
        return
    if row.stage == "drawn" and missing:
        add_unplanned(row, missing, _NOTHING_TO_PLAN_FROM)
    row.state, row.finished_at = ("done" if _is_done(jobs) else "failed"), now


def _is_done(jobs: Sequence[JobRow]) -> bool:
    """Whether the samples are what a campaign is for: of drawn workloads, most are undisturbed.

    Who lists workloads sees each sample and its reasons, so any sample counts.
    """
    measured = sum(job.measured for job in jobs)
    disturbed = sum(job.disturbed for job in jobs)
    is_listed = any(job.priority == _LISTED_PRIORITY for job in jobs)
    return measured > 0 and (is_listed or 2 * disturbed <= measured)


def _plan_run(row: CampaignRow, now: datetime) -> RunRow:
    return RunRow(
        id=new_id("run"),
        kind="plan",
        target=row.target,
        campaign=row.id,
        params_json="{}",
        available_at=now,
        created_at=now,
    )


def add_unplanned(row: CampaignRow, count: int, reason: str) -> None:
    row.unplanned += count
    row.unplanned_json = json.dumps([*json.loads(row.unplanned_json), *[reason] * count])
