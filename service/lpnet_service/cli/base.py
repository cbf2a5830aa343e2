"""What every command of the service shares: its logs, and how it says that it cannot start."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import typer

from lpnet.errors import LpnetError, MissingExtra
from lpnet_service.errors import SetupError


def log_to_stderr() -> None:
    """Send the logs of this process to its standard error."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Not the colourful one, which prints the values of every variable on the way.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def refusals(command: str) -> Iterator[None]:
    """Say in a line why a command cannot start: a setting, a database, a missing extra."""
    try:
        yield
    except (SetupError, LpnetError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lpnet"):
            raise
        typer.echo(str(MissingExtra(command, "service", error.name)), err=True)
        raise typer.Exit(1) from error
