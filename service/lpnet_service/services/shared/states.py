"""What targets are doing, and why: one state each.

imported > offline > broken > paused > measuring > idle: the first that holds is the state.
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

# In these a target measures nothing, whatever is asked of it.
HELD_UP: frozenset[TargetState] = frozenset({"imported", "offline", "broken", "paused"})


@dataclass(frozen=True)
class State:
    """What a target is doing, why, and since when; None where nobody knows."""

    name: TargetState
    reason: str
    since: datetime | None


def states(ctx: Context, session: Session, rows: Iterable[TargetRow]) -> dict[str, State]:
    """The state of each of the targets, by name."""
    now = ctx.clock.now()
    silence = timedelta(seconds=ctx.settings.offline_s)
    agents = DeviceRepository(session).agents_by_device()
    work = CampaignRepository(session).open_jobs_by_target(now)
    return {
        row.name: _state(row, agents.get(row.device), work.get(row.name), now, silence)
        for row in rows
    }


def _state(
    row: TargetRow,
    agent: AgentRow | None,
    work: OpenJobs | None,
    now: datetime,
    silence: timedelta,
) -> State:
    if row.source == "imported" or agent is None:
        why = "only a table of it is known; no agent measures it"
        return State("imported", why, row.created_at)
    if now - agent.last_seen_at > silence:
        why = f"its agent has been silent for {_long(now - agent.last_seen_at)}"
        return State("offline", why, agent.last_seen_at)
    if row.condition == "broken":
        return State("broken", row.condition_reason or "no reason given", row.condition_at)
    if row.condition == "paused":
        return State("paused", row.condition_reason or "no reason given", row.condition_at)
    if work is not None and work.held:
        held = "a job" if work.held == 1 else f"{work.held} jobs"
        return State("measuring", f"its agent holds {held}", work.since)
    if work is not None and work.queued:
        queued = "a job waits" if work.queued == 1 else f"{work.queued} jobs wait"
        return State("idle", f"{queued} for its agent to ask for work", None)
    return State("idle", "no job waits for it", None)


def _long(silence: timedelta) -> str:
    """A length of time in the largest unit of which there are two or more."""
    seconds = silence.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
