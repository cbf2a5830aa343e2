"""`lpnet-agent healthy`: for health checks of containers and supervisors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lpnet.errors import LpnetError
from lpnet_agent.cli.settings_options import with_settings

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings

# Longer than any step of an agent takes: a check of the device, a workload, a poll.
_MAX_AGE_S = 300.0


@with_settings("state_dir")
def healthy(*, settings: Settings) -> None:
    """Exit with 0 if an agent runs here; otherwise print the reason and exit with 1.

    With LPNET_AGENT_ALIVE_FILE, the agent must also have made progress in the last five minutes.
    An agent that waits for its server, or is paused by its owner, is healthy.
    """
    from lpnet.alive import not_alive_reason
    from lpnet_agent.state import is_agent_running

    reason = None
    if not is_agent_running(settings.state_dir):
        reason = f"no agent runs in {settings.state_dir}"
    elif settings.alive_file is not None:
        reason = not_alive_reason(settings.alive_file, _MAX_AGE_S)
    if reason is not None:
        raise LpnetError(f"not healthy: {reason}")
    typer.echo("healthy")
