"""The condition of a target: reported by its agent, cleared by a person."""

from __future__ import annotations

from lpnet.schemas.condition import Acknowledged, ConditionReport
from lpnet.schemas.device import Target
from lpnet.schemas.problem import FieldError
from lpnet_service.errors import Contradiction, NotThere
from lpnet_service.repositories import devices as devices_
from lpnet_service.services import targets
from lpnet_service.services.context import Context
from lpnet_service.services.ingest import refuse


def report(ctx: Context, agent: str, said: ConditionReport) -> Acknowledged:
    """Take in what an agent says of a target of its. NotThere, Invalid for another's target.

    What it says by a level that a person has cleared since is not taken in: it learns of the
    clearing by the answer, and reports again.
    """
    now = ctx.clock.now()
    with ctx.db.write() as session:
        speaker = devices_.agent(session, agent)
        if speaker is None:
            raise NotThere("agent", agent)
        speaker.last_seen_at = now
        row = devices_.lock_target(session, said.target)
        if row is None or row.device != speaker.device:
            reason = f"{said.target!r} is not a target of this agent"
            refuse([FieldError(field="target", reason=reason)])
        assert row is not None
        if said.cleared >= row.cleared:
            # An agent that knows of more clearings comes from another database.
            row.cleared = said.cleared
            if row.condition != said.state or row.condition_at is None:
                row.condition_at = now
            row.condition, row.condition_reason = said.state, said.reason
        return Acknowledged(cleared=row.cleared, epoch=row.epoch)


def clear(ctx: Context, name: str) -> Target:
    """A person says that what a target measures now is normal: it is ready, and an epoch opens.

    NotThere for an unknown target, Contradiction for one that is neither paused nor broken.
    """
    with ctx.db.write() as session:
        row = devices_.lock_target(session, name)
        if row is None:
            raise NotThere("target", name)
        if row.condition == "ready":
            raise Contradiction(f"target {name!r} is neither paused nor broken")
        row.condition, row.condition_reason, row.condition_at = "ready", None, ctx.clock.now()
        row.cleared += 1
        # Samples of one epoch are comparable; from here on another level is the normal one.
        row.epoch += 1
    return targets.target(ctx, name)
