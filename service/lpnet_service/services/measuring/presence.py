"""When agents were last in contact."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from lpnet_service.db.retrying import retried
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.shared.context import Context

# Of the silence after which an agent counts as offline.
_TOUCH_AFTER = 0.25


def touch_period(ctx: Context) -> timedelta:
    """Contacts that are closer to one another than this need not be stored."""
    return timedelta(seconds=_TOUCH_AFTER * ctx.settings.offline_s)


@retried
def touch(ctx: Context, agents: Collection[str]) -> None:
    """Store that these agents are in contact now."""
    if agents:
        with ctx.db.write() as session:
            DeviceRepository(session).touch_agents(agents, ctx.clock.now())
