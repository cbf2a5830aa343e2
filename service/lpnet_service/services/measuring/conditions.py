"""The condition of a target: reported by its agent, cleared by a person."""

from __future__ import annotations

from lpnet.logs import fields
from lpnet.schemas.condition import ConditionReport, ConditionResponse
from lpnet.schemas.device import Target
from lpnet.schemas.problem import FieldError
from lpnet_service.db.announcements import announce
from lpnet_service.db.retrying import retried
from lpnet_service.errors import Conflict, DeviceBusy, NotFound
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.measuring import disturbed_samples
from lpnet_service.services.measuring.agents import is_other_seat
from lpnet_service.services.measuring.ingest import raise_if_invalid
from lpnet_service.services.shared import targets
from lpnet_service.services.shared.context import Context

_CAUSES = {
    "owner": " by its owner",
    "room": " for lack of space",
    "device": " because its device cannot be reached",
}


def report(ctx: Context, agent: str, condition: ConditionReport) -> ConditionResponse:
    """Store what an agent reports about one of its targets.

    A report based on a level that a person has cleared since is not stored. The answer then tells
    the agent about the clearing, and it reports again. Samples that its sentinels no longer
    confirm are marked as disturbed and measured again. Raises BadRequest for a target of another
    device, DeviceBusy if another agent of the device has replaced this one.
    """
    answer, stored = _store(ctx, agent, condition)
    is_drift = condition.state != "ready" and condition.cause == "sentinel"
    if stored and is_drift and condition.since is not None:
        # After the target is unlocked: a completion locks its campaign before the target.
        disturbed_samples.mark(
            ctx,
            condition.target,
            answer.epoch,
            condition.since,
            condition.reason or condition.state,
        )
    return answer


@retried
def _store(
    ctx: Context, agent_id: str, condition: ConditionReport
) -> tuple[ConditionResponse, bool]:
    now = ctx.clock.now()
    with ctx.db.write() as session:
        agent = DeviceRepository(session).get_agent(agent_id)
        if agent is None:
            raise NotFound("agent", agent_id)
        if is_other_seat(agent, condition.seat):
            raise DeviceBusy(agent.device)
        agent.last_seen_at = now
        fields.bind(target=condition.target, device=agent.device)
        target = DeviceRepository(session).lock_target(condition.target)
        if target is None or target.device != agent.device:
            reason = f"{condition.target!r} is not a target of this agent"
            raise_if_invalid([FieldError(field="target", reason=reason)])
        assert target is not None
        is_current = condition.cleared >= target.cleared
        if is_current:
            # An agent that knows of more clearings comes from another database.
            target.cleared = condition.cleared
            if target.condition != condition.state or target.condition_at is None:
                target.condition_at = now
            target.condition, target.condition_reason = condition.state, condition.reason
            target.cause = _cause(condition)
            if condition.state == "ready":
                announce(session, target.name)
        return ConditionResponse(cleared=target.cleared, epoch=target.epoch), is_current


def _cause(condition: ConditionReport) -> str | None:
    if condition.state == "ready":
        return None
    # Only its sentinels break a target.
    return "sentinel" if condition.state == "broken" else condition.cause


@retried
def clear(ctx: Context, name: str) -> Target:
    """Accept the current sentinel readings of a target as normal: it is ready, in a new epoch.

    Raises Conflict if it is neither paused nor broken, or if something other than its sentinels
    paused it.
    """
    now = ctx.clock.now()
    with ctx.db.write() as session:
        target = DeviceRepository(session).lock_target(name)
        if target is None:
            raise NotFound("target", name)
        if target.condition == "ready":
            raise Conflict(f"target {name!r} is neither paused nor broken")
        if target.cause != "sentinel":
            cause = _CAUSES.get(target.cause or "", "")
            raise Conflict(
                f"target {name!r} is {target.condition}{cause}: {target.condition_reason}. Its "
                "sentinels have not drifted, so there is nothing to clear; it resumes by itself"
            )
        target.condition, target.condition_reason, target.condition_at = "ready", None, now
        target.cause = None
        target.cleared += 1
        target.open_epoch(now)
        announce(session, name)
    return targets.get_target(ctx, name)
