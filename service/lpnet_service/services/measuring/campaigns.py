"""Campaigns: drawn, cut into jobs, followed to their end.

A campaign first measures what was drawn, and its repeats. If networks chosen by a pruner are
wanted, a run of kind `plan` then lets a provisional LPNet choose them, and they become jobs too.
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
from lpnet.space.sampling import plan
from lpnet_service.db.rows import CampaignRow, JobRow, RunRow
from lpnet_service.errors import Conflict, NotFound
from lpnet_service.ids import new_id
from lpnet_service.repositories.campaigns import OPEN_STATES, CampaignRepository
from lpnet_service.repositories.runs import RunRepository
from lpnet_service.services.measuring.ingest import raise_if_invalid
from lpnet_service.services.measuring.planning import cut, repeats
from lpnet_service.services.measuring.progress import progress
from lpnet_service.services.shared import cursors, loaded_spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

# What a user asked to have measured now goes before what was drawn.
_ASKED, _DRAWN = 1, 0
_SORT = "-created_at"


def create(ctx: Context, new: NewCampaign) -> Campaign:
    """Start a campaign. NotFound for an unknown target or space, BadRequest for workloads that the
    space does not have, Conflict for a target that no agent measures."""
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
    fields.know(campaign=row.id, target=row.target)
    with ctx.db.write() as session:
        session.add(row)
        session.flush()
        add_jobs(session, row, drawn.first, now=now, priority=priority(new))
        start = len(drawn.first)
        add_jobs(session, row, drawn.again, now=now, fresh_session=True, start=start)
    return get(ctx, row.id)


@dataclass(frozen=True)
class Drawn:
    """What a campaign measures first, what of it again in another session, and how many networks
    a pruner will choose in the end."""

    first: Sequence[PlannedWorkload]
    again: Sequence[PlannedWorkload]
    pruned: int

    @property
    def total(self) -> int:
        """Samples that the campaign takes."""
        return len(self.first) + len(self.again) + self.pruned


def priority(new: NewCampaign) -> int:
    """How urgent the jobs of a campaign are."""
    return _ASKED if new.workloads else _DRAWN


def draw(ctx: Context, new: NewCampaign) -> Drawn:
    """The workloads of a campaign; the same request always draws the same. Raises as `create`."""
    with ctx.db.read() as session:
        if require_target(session, new.target).source == "imported":
            raise Conflict(f"target {new.target!r} is imported: no agent measures it")
    space = loaded_spaces.load_space(ctx, new.space).space
    if new.workloads:
        raise_if_invalid(
            FieldError(field=f"workloads.{index}.workload.{fault.field}", reason=fault.reason)
            for index, planned in enumerate(new.workloads)
            for fault in loaded_spaces.workload_errors(ctx, planned.kind, planned.workload)
        )
        return Drawn(new.workloads, (), 0)
    drawn = plan(space, blocks=new.blocks, networks=new.networks, seed=new.seed, batch=new.batch)
    return Drawn(drawn, repeats(drawn, new.repeats, new.seed), new.pruned)


def add_jobs(
    session: Session,
    campaign: CampaignRow,
    workloads: Sequence[PlannedWorkload],
    *,
    now: datetime,
    priority: int = _DRAWN,
    fresh_session: bool = False,
    start: int = 0,
) -> None:
    """Cut workloads into jobs of a campaign; `start` is the place of the first."""
    for index, part in enumerate(cut(workloads)):
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


def get(ctx: Context, id_: str) -> Campaign:
    """One campaign. NotFound where there is none of that id."""
    with ctx.db.read() as session:
        row = CampaignRepository(session).get(id_)
        if row is None:
            raise NotFound("campaign", id_)
        (found_,) = progress(ctx, session, [row])
    return found_


def page(
    ctx: Context,
    *,
    target: str | None = None,
    state: CampaignState | None = None,
    after: str | None = None,
    limit: int,
) -> CampaignList:
    """Campaigns, newest first. BadRequest for an `after` that no page gave."""
    place = cursors.parse_cursor(after, _SORT, cursors.parse_time, str)
    here = None if place is None else (place.value, place.tie)
    back = place is not None and place.back
    with ctx.db.read() as session:
        rows = CampaignRepository(session).page(
            target=target, state=state, after=here, limit=limit + 1, oldest_first=back
        )
        cut = cursors.cut_page(
            rows, _SORT, place, limit, lambda r: (r.created_at.isoformat(), r.id)
        )
        items = progress(ctx, session, cut.rows)
    return CampaignList(items=tuple(items), next=cut.next, previous=cut.previous)


def cancel(ctx: Context, id_: str) -> Campaign:
    """Stop a campaign: its jobs are offered to nobody, and leases on them are lost. What was
    measured stays. Cancelling one that is over changes nothing."""
    now = ctx.clock.now()
    with ctx.db.write() as session:
        row = CampaignRepository(session).lock(id_)
        if row is None:
            raise NotFound("campaign", id_)
        if row.state == "running":
            row.state, row.finished_at = "cancelled", now
            for job in CampaignRepository(session).jobs(id_):
                if job.state in OPEN_STATES:
                    job.end("cancelled", now=now)
            for run in RunRepository(session).open_of_campaign(id_):
                run.end("cancelled", now=now)
    return get(ctx, id_)


def advance(session: Session, row: CampaignRow, now: datetime) -> None:
    """Take a campaign to its next stage if all its jobs are over. The caller has locked it."""
    session.flush()
    if row.state != "running" or row.stage == "planning":
        return
    if CampaignRepository(session).count_open_jobs(row.id):
        return
    measured = sum(job.measured for job in CampaignRepository(session).jobs(row.id))
    missing = row.total - sum(job.items for job in CampaignRepository(session).jobs(row.id))
    if row.stage == "drawn" and missing and measured:
        row.stage = "planning"
        session.add(_plan_run(row, now))
        return
    if row.stage == "drawn" and missing:
        unplanned(row, missing, "nothing was measured that a pruner could choose by")
    row.state, row.finished_at = ("done" if measured else "failed"), now


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


def unplanned(row: CampaignRow, count: int, reason: str) -> None:
    """Some networks of a campaign could not be chosen."""
    row.unplanned += count
    row.unplanned_json = json.dumps([*json.loads(row.unplanned_json), *[reason] * count])
