"""Commands run in this process: without the seconds that a process takes to import everything."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping

import typer
from typer.testing import CliRunner, Result


def invoke(app: typer.Typer, *arguments: str, environment: Mapping[str, str]) -> Result:
    """Run a command as a terminal of 200 columns would. Handlers of signals and the import path
    are afterwards as before. Raises what the command does not turn into an exit status."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    path = list(sys.path)
    try:
        runner = CliRunner(env={**environment, "COLUMNS": "200"})
        return runner.invoke(app, arguments, catch_exceptions=False)
    finally:
        sys.path[:] = path
        for number, handler in handlers.items():
            signal.signal(number, handler)
