"""The state of each target and its reason.

imported > offline > broken > paused > measuring > idle: the first that applies is the state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.schemas.device import TargetState
from lpnet_service.db.rows import AgentRow, TargetRow
from lpnet_service.repositories.campaigns import CampaignRepository, OpenJobs
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.shared.context import Context

# In these states a target measures nothing, even if jobs wait for it.
NOT_MEASURING: frozenset[TargetState] = frozenset({"imported", "offline", "broken", "paused"})


@dataclass(frozen=True)
class State:
    """A target's state, the reason for it, and since when it holds (None: unknown)."""

    name: TargetState
    reason: str
    since: datetime | None


def target_states(
    ctx: Context, session: Session, targets: Iterable[TargetRow]
) -> dict[str, State]:
    now = ctx.clock.now()
    offline_after = timedelta(seconds=ctx.settings.offline_s)
    agents = DeviceRepository(session).agents_by_device()
    open_jobs = CampaignRepository(session).open_jobs_by_target(now)
    return {
        target.name: _state(
            target, agents.get(target.device), open_jobs.get(target.name), now, offline_after
        )
        for target in targets
    }


def _state(
    target: TargetRow,
    agent: AgentRow | None,
    jobs: OpenJobs | None,
    now: datetime,
    offline_after: timedelta,
) -> State:
    if target.source == "imported" or agent is None:
        reason = "its samples were imported, and no agent measures it"
        return State("imported", reason, target.created_at)
    silence = now - agent.last_seen_at
    if silence > offline_after:
        reason = f"its agent has been silent for {_duration(silence)}"
        return State("offline", reason, agent.last_seen_at)
    if not agent.measures(target.name):
        reason = "the agent of its device does not measure it any more"
        return State("offline", reason, None)
    if target.condition == "broken":
        reason = target.condition_reason or "no reason was reported"
        return State("broken", reason, target.condition_at)
    if target.condition == "paused":
        reason = target.condition_reason or "no reason was reported"
        return State("paused", reason, target.condition_at)
    if jobs is not None and jobs.leased:
        count = "a job" if jobs.leased == 1 else f"{jobs.leased} jobs"
        return State("measuring", f"its agent is working on {count}", jobs.since)
    if jobs is not None and jobs.queued:
        waiting = "a job waits" if jobs.queued == 1 else f"{jobs.queued} jobs wait"
        return State("idle", f"{waiting} for its agent to ask for work", None)
    return State("idle", "no jobs are waiting", None)


def _duration(silence: timedelta) -> str:
    # The largest unit in which the number is at least 2.
    seconds = silence.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
