"""What a campaign would be: samples, minutes and reach, before anything starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from lpnet.schemas.campaign import LeasedItem, NewCampaign, PlannedWorkload
from lpnet.schemas.estimate import (
    CampaignEstimate,
    Duration,
    Judging,
    KindEstimate,
    Reach,
    Start,
)
from lpnet.schemas.workload import Kind, SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet_service.db.rows import AgentRow, JobRow, TargetRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.learning.splits import LEAST_NETWORKS, held_out_of
from lpnet_service.services.measuring import campaigns
from lpnet_service.services.measuring.campaigns import Drawn
from lpnet_service.services.measuring.planning import cut
from lpnet_service.services.reading.durations import KINDS, FinishedJob, Pace, paces
from lpnet_service.services.shared import spaces_in_memory
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import HELD_UP, State, states
from lpnet_service.services.shared.targets import found

_ITEMS = TypeAdapter(list[LeasedItem])
_LATEST_JOBS = 200


def estimate(ctx: Context, new: NewCampaign) -> CampaignEstimate:
    """What `campaigns.create` would start. Draws the same workloads, and raises the same."""
    drawn = campaigns.draw(ctx, new)
    with ctx.db.read() as session:
        row = found(session, new.target)
        agent = DeviceRepository(session).agent_of_device(row.device)
        jobs = CampaignRepository(session).finished_jobs(row.name, _LATEST_JOBS)
        state = states(ctx, session, [row])[row.name]
        before, left = CampaignRepository(session).queue_ahead(row.name, campaigns.priority(new))
        judging = _judging(session, row, drawn)
    known, whose = _paces(jobs, new.space)
    kinds = tuple(_kind(kind, drawn, known[kind]) for kind in KINDS)
    return CampaignEstimate(
        target=new.target,
        space=new.space,
        seed=new.seed,
        samples=drawn.total,
        jobs=len(cut(drawn.first)) + len(cut(drawn.again)),
        kinds=kinds,
        time=_time(kinds, whose, agent),
        reach=_reach(spaces_in_memory.held(ctx, new.space).space, drawn.first),
        judging=judging,
        start=_start(state, before, left),
    )


def _kind(kind: Kind, drawn: Drawn, pace: Pace) -> KindEstimate:
    return KindEstimate(
        kind=kind,
        drawn=sum(planned.kind == kind for planned in drawn.first),
        pruned=drawn.pruned if kind == "network" else 0,
        repeats=sum(planned.kind == kind for planned in drawn.again),
        seconds_each=pace.seconds,
        known_from=pace.workloads,
    )


def _paces(jobs: Sequence[JobRow], space: str) -> tuple[Mapping[Kind, Pace], str]:
    """Seconds per workload, of this space where its jobs tell, else of all; and whose they are."""
    every = [(_items(job), job) for job in jobs]
    mine = [(items, job) for items, job in every if items[0].workload.space == space]
    own = paces([_finished(items, job) for items, job in mine])
    if any(pace.seconds is not None for pace in own.values()):
        return own, f"{len(mine)} finished jobs of this space on this target"
    others = paces([_finished(items, job) for items, job in every])
    return others, f"{len(every)} finished jobs of other spaces on this target"


def _items(job: JobRow) -> list[LeasedItem]:
    return _ITEMS.validate_json(job.items_json)


def _finished(items: Sequence[LeasedItem], job: JobRow) -> FinishedJob:
    assert job.started_at is not None
    assert job.finished_at is not None
    networks = sum(item.kind == "network" for item in items)
    seconds = (job.finished_at - job.started_at).total_seconds()
    return FinishedJob(len(items) - networks, networks, seconds)


def _time(kinds: Sequence[KindEstimate], whose: str, agent: AgentRow | None) -> Duration:
    asked = [kind for kind in kinds if kind.samples]
    bound = _timed_minutes(kinds, agent)
    missing = [f"{kind.kind}s" for kind in asked if kind.seconds_each is None]
    if missing:
        measured = any(kind.known_from for kind in kinds)
        what = f"too few {' and '.join(missing)} were" if measured else "nothing was"
        why = f"unknown: {what} measured on this target yet"
        return Duration(minutes=None, source=why, timed_minutes_at_most=bound)
    seconds = sum(kind.samples * (kind.seconds_each or 0.0) for kind in asked)
    each = ", ".join(
        f"{kind.seconds_each:.2g} s a {kind.kind} (mean of {kind.known_from})" for kind in asked
    )
    return Duration(minutes=seconds / 60, source=f"{whose}: {each}", timed_minutes_at_most=bound)


def _timed_minutes(kinds: Sequence[KindEstimate], agent: AgentRow | None) -> float | None:
    if agent is None or agent.block_s is None or agent.network_s is None:
        return None
    budgets = {"block": agent.block_s, "network": agent.network_s}
    return sum(kind.samples * budgets[kind.kind] for kind in kinds) / 60


def _reach(space: Space, planned: Sequence[PlannedWorkload]) -> Reach:
    values: dict[str, set[int]] = defaultdict(set)
    for one in planned:
        for name, kept in one.workload.widths.items():
            values[name].add(kept)
    alone = {one.workload.block for one in planned}
    unvaried = tuple(w.name for w in space.widths if len(values[w.name]) < 2)
    missing = tuple(block.name for block in space.blocks if block.name not in alone)
    shares = _macs_shares(space, [p.workload for p in planned if p.kind == "network"])
    return Reach(
        widths=len(space.widths),
        widths_varied=len(space.widths) - len(unvaried),
        widths_missing=unvaried,
        blocks=len(space.blocks),
        blocks_alone=len(space.blocks) - len(missing),
        blocks_missing=missing,
        macs_share_low=min(shares, default=None),
        macs_share_high=max(shares, default=None),
    )


def _macs_shares(space: Space, networks: Sequence[SpaceWorkload]) -> list[float]:
    dense = space.macs(space.dense)
    return [space.macs(space.vector(one.widths)) / dense for one in networks]


def _judging(session: Session, row: TargetRow, drawn: Drawn) -> Judging:
    """How many would be held out, what the epoch has already taken into account."""
    kinds: dict[str, str] = {
        key: kind
        for key, kind, _ in SampleRepository(session).trainable_workloads(row.name, row.epoch)
    }
    kinds |= {workload_key(one.workload): one.kind for one in drawn.first}
    before = SideRepository(session).of_epoch(row.name, row.epoch)
    counts: dict[Kind, int] = {}
    out: dict[Kind, int] = {}
    for kind in KINDS:
        counts[kind] = sum(value == kind for value in kinds.values())
        counts[kind] += drawn.pruned if kind == "network" else 0
        sides = [held_out for of, held_out in before.values() if of == kind]
        new = counts[kind] - len(sides)
        # A side that was drawn stays; only workloads without one can be held out still.
        missing = held_out_of(kind, counts[kind]) - sum(sides)
        out[kind] = sum(sides) + min(max(missing, 0), new)
    enough = out["network"] >= LEAST_NETWORKS
    return Judging(
        networks=out["network"],
        blocks=out["block"],
        enough=enough,
        detail=_judged(out["network"], counts["network"], enough),
    )


def _judged(held_out: int, networks: int, enough: bool) -> str:
    said = f"{held_out} of {networks} networks would be held out"
    if enough:
        return f"{said}: enough to judge an LPNet by"
    return (
        f"{said}: too few to judge an LPNet by; {LEAST_NETWORKS} are needed, which takes "
        f"{2 * LEAST_NETWORKS} different networks"
    )


def _start(state: State, before: int, left: int) -> Start:
    at_once = state.name not in HELD_UP and not before
    if at_once:
        detail = "it would start at once"
    elif state.name in HELD_UP:
        detail = f"it would wait: the target is {state.name}: {state.reason}"
    else:
        detail = f"it would wait for {before} jobs with {left} workloads that go first"
    return Start(
        at_once=at_once,
        state=state.name,
        jobs_before=before,
        workloads_before=left,
        detail=detail,
    )
