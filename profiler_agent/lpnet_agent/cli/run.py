"""`lpnet-agent run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lpnet_agent.cli.base import Verbose
from lpnet_agent.cli.settings_options import LIMIT_SETTINGS, TARGET_SETTINGS, with_settings

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings


def _refuse(context: typer.Context, parameter: typer.CallbackParam, value: str | None) -> None:
    if value is not None:
        raise typer.BadParameter(
            "this option was removed: the agent no longer changes clocks. `lpnet-agent doctor` "
            "prints the command that does."
        )


Removed = Annotated[str | None, typer.Option(hidden=True, callback=_refuse)]


@with_settings("url", *TARGET_SETTINGS, *LIMIT_SETTINGS)
def run(
    *,
    settings: Settings,
    governor: Removed = None,
    turbo: Removed = None,
    verbose: Verbose = False,
) -> None:
    """Register this device with a server and measure its jobs, until SIGTERM or Ctrl-C."""
    from lpnet.stop import Stop
    from lpnet_agent import logs
    from lpnet_agent.serve.start import run_agent

    logs.configure(settings, verbose)
    stop = Stop()
    stop.on_signals()
    run_agent(settings, stop)
