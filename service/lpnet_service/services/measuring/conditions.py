"""The condition of a target: reported by its agent, cleared by a person."""

from __future__ import annotations

from lpnet.logs import fields
from lpnet.schemas.condition import Acknowledged, ConditionReport
from lpnet.schemas.device import Target
from lpnet.schemas.problem import FieldError
from lpnet_service.errors import Conflict, DeviceBusy, NotFound
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.measuring import disturbed_samples
from lpnet_service.services.measuring.agents import is_other_seat
from lpnet_service.services.measuring.ingest import raise_if_invalid
from lpnet_service.services.shared import targets
from lpnet_service.services.shared.context import Context

_KEEPERS = {
    "owner": " by its owner",
    "room": " for want of room",
    "device": ", since the device cannot be reached",
}


def report(ctx: Context, agent: str, said: ConditionReport) -> Acknowledged:
    """Take in what an agent says of a target of its. NotFound, BadRequest for another's target,
    DeviceBusy where another agent of the device has taken its place.

    What it says by a level that a person has cleared since is not taken in: it learns of the
    clearing by the answer, and reports again. What its sentinels no longer vouch for is marked
    disturbed, and offered again.
    """
    answer, taken_in = _take_in(ctx, agent, said)
    if taken_in and said.state != "ready" and said.cause == "sentinel" and said.since is not None:
        # After the target's row is free again: whoever completes a job locks its campaign first.
        disturbed_samples.mark(
            ctx, said.target, answer.epoch, said.since, said.reason or said.state
        )
    return answer


def _take_in(ctx: Context, agent: str, said: ConditionReport) -> tuple[Acknowledged, bool]:
    """The answer, and whether what was said is by the present level."""
    now = ctx.clock.now()
    with ctx.db.write() as session:
        speaker = DeviceRepository(session).get_agent(agent)
        if speaker is None:
            raise NotFound("agent", agent)
        if is_other_seat(speaker, said.seat):
            raise DeviceBusy(speaker.device)
        speaker.last_seen_at = now
        fields.know(target=said.target, device=speaker.device)
        row = DeviceRepository(session).lock_target(said.target)
        if row is None or row.device != speaker.device:
            reason = f"{said.target!r} is not a target of this agent"
            raise_if_invalid([FieldError(field="target", reason=reason)])
        assert row is not None
        is_current = said.cleared >= row.cleared
        if is_current:
            # An agent that knows of more clearings comes from another database.
            row.cleared = said.cleared
            if row.condition != said.state or row.condition_at is None:
                row.condition_at = now
            row.condition, row.condition_reason = said.state, said.reason
            row.cause = _cause(said)
        return Acknowledged(cleared=row.cleared, epoch=row.epoch), is_current


def _cause(said: ConditionReport) -> str | None:
    if said.state == "ready":
        return None
    # Nothing but its sentinels breaks a target.
    return "sentinel" if said.state == "broken" else said.cause


def clear(ctx: Context, name: str) -> Target:
    """A person says that what a target measures now is normal: it is ready, and an epoch opens.

    NotFound for an unknown target, Conflict for one that is neither paused nor broken, or
    that something else than its sentinels keeps: there is no level to call normal.
    """
    now = ctx.clock.now()
    with ctx.db.write() as session:
        row = DeviceRepository(session).lock_target(name)
        if row is None:
            raise NotFound("target", name)
        if row.condition == "ready":
            raise Conflict(f"target {name!r} is neither paused nor broken")
        if row.cause != "sentinel":
            by = _KEEPERS.get(row.cause or "", "")
            raise Conflict(
                f"target {name!r} is {row.condition}{by}: {row.condition_reason}. Its sentinels "
                "have not drifted, so there is no level to clear; it goes on when that has passed"
            )
        row.condition, row.condition_reason, row.condition_at = "ready", None, now
        row.cause = None
        row.cleared += 1
        row.open_epoch(now)
    return targets.get_target(ctx, name)
