"""`lpnet-agent run`."""

from __future__ import annotations

from lpnet_agent import logs
from lpnet_agent.cli.base import (
    Device,
    Server,
    StateFolder,
    Threads,
    Verbose,
    read_settings,
    reported,
)


def run(
    server: Server = None,
    device: Device = None,
    threads: Threads = None,
    state_dir: StateFolder = None,
    verbose: Verbose = False,
) -> None:
    """Register this device with a server and measure what it asks for, until SIGTERM or Ctrl-C."""
    logs.configure(verbose)
    with reported("run"):
        from lpnet_agent.start import run_agent
        from lpnet_agent.stop import Stop

        settings = read_settings(url=server, device=device, threads=threads, state_dir=state_dir)
        stop = Stop()
        stop.on_signals()
        run_agent(settings, stop)
