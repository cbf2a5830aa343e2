"""`lpnet-service healthy`: for health checks of containers and supervisors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lpnet_service.cli.base import exit_on_error
from lpnet_service.errors import SetupError

_TIMEOUT_S = 4.0
# Far longer than a worker needs between two polls of the queue or two lease extensions.
_WITHIN_S = 60.0

healthy = typer.Typer(
    help="Check a process: exit with 0 if it is healthy, else with 1 and the reason.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option(envvar="LPNET_URL", help="URL of the service.")]
File = Annotated[
    Path | None,
    typer.Option(help="Alive file of the worker.", show_default="LPNET_WORKER_ALIVE_FILE"),
]


@healthy.command()
def api(url: Url = "http://127.0.0.1:8000") -> None:
    """Check that the API answers, and that its database is reachable and up to date."""
    from lpnet.http import Http

    with exit_on_error("lpnet-service healthy"):
        with Http(url, timeout=_TIMEOUT_S, attempts=1) as http:
            http.get("/readyz")
        typer.echo("healthy")


@healthy.command()
def worker(file: File = None) -> None:
    """Check that a worker runs on this machine and reached the database in the last minute."""
    from lpnet.alive import not_alive_reason

    with exit_on_error("lpnet-service healthy"):
        from lpnet_service.settings import from_environment

        path = file or from_environment().worker_alive_file
        if path is None:
            raise SetupError(
                "LPNET_WORKER_ALIVE_FILE is not set: set it to one path for the worker and this "
                "command"
            )
        reason = not_alive_reason(path, _WITHIN_S)
        if reason is not None:
            raise SetupError(f"not healthy: {reason}")
        typer.echo("healthy")
