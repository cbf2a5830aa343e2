"""`lpnet-service healthy`: for health checks of containers and supervisors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lpnet_service.cli.base import exit_on_error
from lpnet_service.errors import SetupError

_TIMEOUT_S = 4.0
# Far longer than a worker needs from one look at the queue, or at its lease, to the next.
_WITHIN_S = 60.0

healthy = typer.Typer(
    help="Whether a process works: exits with 0 if so, else with 1 and the reason.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option(envvar="LPNET_URL", help="The service.")]
File = Annotated[
    Path | None,
    typer.Option(help="The worker's file.", show_default="LPNET_WORKER_ALIVE_FILE"),
]


@healthy.command()
def api(url: Url = "http://127.0.0.1:8000") -> None:
    """The API answers, reaches its database, and finds the tables that it needs."""
    from lpnet.http import Http

    with exit_on_error("lpnet-service healthy"):
        with Http(url, timeout=_TIMEOUT_S, attempts=1) as http:
            http.get("/readyz")
        typer.echo("healthy")


@healthy.command()
def worker(file: File = None) -> None:
    """A worker of this machine lives, and has reached the database within the last minute."""
    from lpnet.alive import not_alive

    with exit_on_error("lpnet-service healthy"):
        from lpnet_service.settings import from_environment

        path = file or from_environment().worker_alive_file
        if path is None:
            raise SetupError(
                "LPNET_WORKER_ALIVE_FILE is not set: give the worker and this command a path"
            )
        reason = not_alive(path, _WITHIN_S)
        if reason is not None:
            raise SetupError(f"not healthy: {reason}")
        typer.echo("healthy")
