"""Commands of the service: run, worker, migrate."""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import structlog
import typer

from lpnet.errors import MissingExtra
from lpnet_service.errors import SetupError

app = typer.Typer(
    help="The lpnet service: REST API, database and training worker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="Address to listen on; a loopback address.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
NoWorker = Annotated[bool, typer.Option("--no-worker", help="Serve the API only.")]
Parent = Annotated[int | None, typer.Option(hidden=True, help="End when this process does.")]


@app.callback()
def _logs() -> None:
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


@app.command()
def run(host: Host = "127.0.0.1", port: Port = 8000, no_worker: NoWorker = False) -> None:
    """Bring the database up to date, serve the API, and keep a training worker beside it."""
    with _refusals("lpnet-service run"):
        from lpnet_service.server import serve
        from lpnet_service.settings import from_environment

        _only_loopback(host)
        serve(from_environment(), host=host, port=port, worker=not no_worker)


@app.command()
def worker(parent: Parent = None) -> None:
    """Work through trainings, studies and plans, until asked to stop."""
    with _refusals("lpnet-service worker"):
        import torch

        from lpnet_service.services.context import context
        from lpnet_service.settings import from_environment
        from lpnet_service.worker.loop import work_until_stopped
        from lpnet_service.worker.work import KINDS

        settings = from_environment()
        torch.set_num_threads(settings.torch_threads)
        work_until_stopped(context(settings), KINDS, parent)


@app.command()
def migrate() -> None:
    """Bring the database to the tables that this version needs."""
    with _refusals("lpnet-service migrate"):
        from lpnet_service.db.engine import Database
        from lpnet_service.db.migrate import migrate as migrate_
        from lpnet_service.settings import from_environment

        database = Database(from_environment().database_url)
        migrate_(database)
        database.close()


@contextmanager
def _refusals(command: str) -> Iterator[None]:
    """Say in a line why a command cannot start: a setting, a database, a missing extra."""
    try:
        yield
    except SetupError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lpnet"):
            raise
        typer.echo(str(MissingExtra(command, "service", error.name)), err=True)
        raise typer.Exit(1) from error


def _only_loopback(host: str) -> None:
    """Raises SetupError for an address that others can reach."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SetupError(
            f"--host {host}: whoever reaches this service may do everything, since it has no "
            "tokens yet (tokens come with a later version). Use 127.0.0.1"
        )
