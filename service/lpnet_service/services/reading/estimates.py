"""What a campaign would measure, how long it would take and what it covers, before it starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from lpnet.schemas.campaign import LeasedItem, NewCampaign, PlannedWorkload
from lpnet.schemas.estimate import (
    CampaignEstimate,
    KindEstimate,
    SpaceCoverage,
    StartEstimate,
    TestSetEstimate,
    TimeEstimate,
)
from lpnet.schemas.workload import Kind, SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet_service.db.rows import AgentRow, JobRow, TargetRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.learning.splits import MIN_NETWORKS, held_out_count
from lpnet_service.services.measuring import campaigns
from lpnet_service.services.measuring.campaigns import DrawnWorkloads
from lpnet_service.services.measuring.planning import cut_into_jobs
from lpnet_service.services.reading.durations import KINDS, FinishedJob, Pace, paces
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import NOT_MEASURING, State, target_states
from lpnet_service.services.shared.targets import require_target

_ITEMS = TypeAdapter(list[LeasedItem])
_MAX_FINISHED_JOBS = 200


def estimate(ctx: Context, new: NewCampaign) -> CampaignEstimate:
    """The estimate of a campaign. Draws the same workloads, and raises the same errors, as
    `campaigns.create`."""
    drawn = campaigns.draw(ctx, new)
    with ctx.db.read() as session:
        row = require_target(session, new.target)
        agent = DeviceRepository(session).agent_of_device(row.device)
        repository = CampaignRepository(session)
        jobs = repository.finished_jobs(row.name, _MAX_FINISHED_JOBS)
        state = target_states(ctx, session, [row])[row.name]
        jobs_before, workloads_before = repository.queue_ahead(row.name, campaigns.priority(new))
        test_set = _test_set(session, row, drawn)
    pace_by_kind, source = _paces(jobs, new.space)
    kinds = tuple(_kind(kind, drawn, pace_by_kind[kind]) for kind in KINDS)
    return CampaignEstimate(
        target=new.target,
        space=new.space,
        seed=new.seed,
        samples=drawn.total,
        jobs=_count_jobs(new, drawn),
        kinds=kinds,
        time=_time(kinds, source, agent),
        reach=_coverage(loaded_spaces.load_space(ctx, new.space).space, drawn.workloads),
        judging=test_set,
        start=_start(state, jobs_before, workloads_before),
    )


def _count_jobs(new: NewCampaign, drawn: DrawnWorkloads) -> int:
    first = cut_into_jobs(drawn.workloads, campaigns.first_job_size(new))
    return len(first) + len(cut_into_jobs(drawn.repeats))


def _kind(kind: Kind, drawn: DrawnWorkloads, pace: Pace) -> KindEstimate:
    return KindEstimate(
        kind=kind,
        drawn=sum(planned.kind == kind for planned in drawn.workloads),
        pruned=drawn.pruned if kind == "network" else 0,
        chosen=drawn.chosen if kind == "block" else 0,
        repeats=sum(planned.kind == kind for planned in drawn.repeats),
        seconds_each=pace.seconds,
        known_from=pace.workloads,
    )


def _paces(jobs: Sequence[JobRow], space: str) -> tuple[Mapping[Kind, Pace], str]:
    """Seconds per workload, and their source as text: jobs of this space if they suffice, else all
    jobs."""
    parsed = [(_items(job), job) for job in jobs]
    of_space = [(items, job) for items, job in parsed if items[0].workload.space == space]
    space_paces = paces([_finished_job(items, job) for items, job in of_space])
    if any(pace.seconds is not None for pace in space_paces.values()):
        return space_paces, f"{len(of_space)} finished jobs of this space on this target"
    all_paces = paces([_finished_job(items, job) for items, job in parsed])
    return all_paces, f"{len(parsed)} finished jobs of other spaces on this target"


def _items(job: JobRow) -> list[LeasedItem]:
    return _ITEMS.validate_json(job.items_json)


def _finished_job(items: Sequence[LeasedItem], job: JobRow) -> FinishedJob:
    assert job.started_at is not None
    assert job.finished_at is not None
    networks = sum(item.kind == "network" for item in items)
    seconds = (job.finished_at - job.started_at).total_seconds()
    return FinishedJob(len(items) - networks, networks, seconds)


def _time(kinds: Sequence[KindEstimate], source: str, agent: AgentRow | None) -> TimeEstimate:
    measured_kinds = [kind for kind in kinds if kind.samples]
    max_minutes = _max_timed_minutes(kinds, agent)
    missing = [f"{kind.kind}s" for kind in measured_kinds if kind.seconds_each is None]
    if missing:
        any_measured = any(kind.known_from for kind in kinds)
        what = f"too few {' and '.join(missing)} were" if any_measured else "nothing was"
        reason = f"unknown: {what} measured on this target yet"
        return TimeEstimate(minutes=None, source=reason, timed_minutes_at_most=max_minutes)
    seconds = sum(kind.samples * (kind.seconds_each or 0.0) for kind in measured_kinds)
    means = ", ".join(
        f"{kind.seconds_each:.2g} s a {kind.kind} (mean of {kind.known_from})"
        for kind in measured_kinds
    )
    return TimeEstimate(
        minutes=seconds / 60, source=f"{source}: {means}", timed_minutes_at_most=max_minutes
    )


def _max_timed_minutes(kinds: Sequence[KindEstimate], agent: AgentRow | None) -> float | None:
    if agent is None or agent.block_s is None or agent.network_s is None:
        return None
    budgets = {"block": agent.block_s, "network": agent.network_s}
    return sum(kind.samples * budgets[kind.kind] for kind in kinds) / 60


def _coverage(space: Space, workloads: Sequence[PlannedWorkload]) -> SpaceCoverage:
    values: dict[str, set[int]] = defaultdict(set)
    for planned in workloads:
        for name, kept in planned.workload.widths.items():
            values[name].add(kept)
    blocks_alone = {planned.workload.block for planned in workloads}
    unvaried = tuple(w.name for w in space.widths if len(values[w.name]) < 2)
    missing = tuple(block.name for block in space.blocks if block.name not in blocks_alone)
    networks = [planned.workload for planned in workloads if planned.kind == "network"]
    shares = _macs_shares(space, networks)
    return SpaceCoverage(
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
    return [space.macs(space.vector(network.widths)) / dense for network in networks]


def _test_set(session: Session, row: TargetRow, drawn: DrawnWorkloads) -> TestSetEstimate:
    trainable = SampleRepository(session).trainable_workloads(row.name, row.epoch)
    kinds: dict[str, str] = {key: kind for key, kind, _ in trainable}
    kinds |= {workload_key(planned.workload): planned.kind for planned in drawn.workloads}
    sides = SideRepository(session).of_epoch(row.name, row.epoch)
    counts: dict[Kind, int] = {}
    held_out: dict[Kind, int] = {}
    for kind in KINDS:
        counts[kind] = sum(value == kind for value in kinds.values())
        counts[kind] += drawn.pruned if kind == "network" else 0
        drawn_sides = [
            is_held_out for side_kind, is_held_out in sides.values() if side_kind == kind
        ]
        without_side = counts[kind] - len(drawn_sides)
        # Sides never change: only workloads without one can still be held out.
        missing = held_out_count(kind, counts[kind]) - sum(drawn_sides)
        held_out[kind] = sum(drawn_sides) + min(max(missing, 0), without_side)
    enough = held_out["network"] >= MIN_NETWORKS
    return TestSetEstimate(
        networks=held_out["network"],
        blocks=held_out["block"],
        enough=enough,
        detail=_test_set_detail(held_out["network"], counts["network"], enough),
    )


def _test_set_detail(held_out: int, networks: int, enough: bool) -> str:
    count = f"{held_out} of {networks} networks would be held out"
    if enough:
        return f"{count}: enough to test an LPNet"
    return (
        f"{count}: too few to test an LPNet; {MIN_NETWORKS} are needed, which takes "
        f"{2 * MIN_NETWORKS} different networks"
    )


def _start(state: State, jobs_before: int, workloads_before: int) -> StartEstimate:
    at_once = state.name not in NOT_MEASURING and not jobs_before
    if at_once:
        detail = "it would start at once"
    elif state.name in NOT_MEASURING:
        detail = f"it would wait: the target is {state.name}: {state.reason}"
    else:
        detail = f"it would wait for {jobs_before} earlier jobs with {workloads_before} workloads"
    return StartEstimate(
        at_once=at_once,
        state=state.name,
        jobs_before=jobs_before,
        workloads_before=workloads_before,
        detail=detail,
    )
