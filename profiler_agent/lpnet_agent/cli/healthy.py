"""`lpnet-agent healthy`: for health checks of containers and supervisors."""

from __future__ import annotations

import typer

from lpnet.errors import LpnetError
from lpnet_agent.cli.base import StateFolder, read_settings, reported

# Longer than any step of an agent takes: a check of the device, a workload, a poll.
_WITHIN_S = 300.0


def healthy(state_dir: StateFolder = None) -> None:
    """Exit with 0 if an agent runs here, else with 1 and the reason.

    With LPNET_AGENT_ALIVE_FILE it must also have got on within the last five minutes. An agent
    that waits for its server, or for its owner's leave, is healthy.
    """
    with reported("healthy"):
        from lpnet.alive import not_alive
        from lpnet_agent.state import agent_runs

        settings = read_settings(state_dir=state_dir)
        reason = None
        if not agent_runs(settings.state_dir):
            reason = f"no agent runs in {settings.state_dir}"
        elif settings.alive_file is not None:
            reason = not_alive(settings.alive_file, _WITHIN_S)
        if reason is not None:
            raise LpnetError(f"not healthy: {reason}")
        typer.echo("healthy")
