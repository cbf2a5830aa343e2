"""Commands of the service: run, worker, migrate."""

from __future__ import annotations

import ipaddress
import logging
import sys
from typing import Annotated

import structlog
import typer

from lpnet_service import settings as settings_
from lpnet_service.errors import SetupError

app = typer.Typer(
    help="The lpnet service: REST API, database and training worker.", no_args_is_help=True
)

Host = Annotated[str, typer.Option(help="Address to listen on; a loopback address.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
NoWorker = Annotated[bool, typer.Option("--no-worker", help="Serve the API only.")]
Parent = Annotated[int | None, typer.Option(hidden=True, help="End when this process does.")]


@app.callback()
def _logs() -> None:
    # Standard output belongs to nobody but the logs' readers; both processes share one stream.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


@app.command()
def run(host: Host = "127.0.0.1", port: Port = 8000, no_worker: NoWorker = False) -> None:
    """Bring the database up to date, serve the API, and keep a training worker beside it."""
    from lpnet_service.server import serve

    try:
        _only_loopback(host)
        serve(settings_.from_environment(), host=host, port=port, worker=not no_worker)
    except SetupError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def worker(parent: Parent = None) -> None:
    """Work through trainings, studies and plans, until asked to stop."""
    import torch

    from lpnet_service.services.context import context
    from lpnet_service.worker.loop import work_until_stopped
    from lpnet_service.worker.work import KINDS

    settings = settings_.from_environment()
    torch.set_num_threads(settings.torch_threads)
    try:
        work_until_stopped(context(settings), KINDS, parent)
    except SetupError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def migrate() -> None:
    """Bring the database to the tables that this version needs."""
    from lpnet_service.db.engine import Database
    from lpnet_service.db.migrate import migrate as migrate_

    try:
        database = Database(settings_.from_environment().database_url)
    except SetupError as error:
        raise typer.BadParameter(str(error)) from error
    migrate_(database)
    database.close()


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
