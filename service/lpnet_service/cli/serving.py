"""`lpnet-service run` and `lpnet-service worker`, and the API process that `run` starts."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from lpnet_service.cli.base import exit_on_error
from lpnet_service.errors import SetupError

Host = Annotated[str, typer.Option(help="Address to listen on; all but loopback require tokens.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of API processes on the port.", show_default="LPNET_API_PROCESSES or 1"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Number of training workers.", show_default="LPNET_WORKERS or 1"),
]
NoWorker = Annotated[bool, typer.Option("--no-worker", help="Same as --workers 0.")]
Sockets = Annotated[list[int], typer.Option("--socket", help="Descriptor of a bound socket.")]
LifelineFd = Annotated[
    int | None, typer.Option("--lifeline", hidden=True, help="A pipe that ends with the parent.")
]


def run(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_processes: Processes = None,
    workers: Workers = None,
    no_worker: NoWorker = False,
) -> None:
    """Update the database, then run the API and the training workers.

    A process that ends is restarted. All of them end with this command.
    """
    with exit_on_error("lpnet-service run"):
        from lpnet_service.processes.run import serve
        from lpnet_service.settings import from_environment

        if no_worker and workers:
            raise SetupError(f"--no-worker contradicts --workers {workers}: use one of them")
        _require_modules("uvicorn", "fastapi")
        settings = from_environment()
        serve(
            settings,
            host=host,
            port=port,
            api_processes=settings.api_processes if api_processes is None else api_processes,
            workers=0 if no_worker else settings.workers if workers is None else workers,
        )


def api(sockets: Sockets, lifeline: LifelineFd = None) -> None:
    """Serve the API on sockets that `lpnet-service run` has bound."""
    with exit_on_error("lpnet-service api"):
        from socket import socket

        from lpnet_service.processes.lifeline import end_with_parent
        from lpnet_service.server import serve_api
        from lpnet_service.settings import from_environment

        if lifeline is not None:
            end_with_parent(lifeline)
        serve_api(from_environment(), [socket(fileno=number) for number in sockets])


def worker(lifeline: LifelineFd = None) -> None:
    """Run trainings, studies and plans until SIGTERM or SIGINT.

    Any number of workers share the queue, on any machines that reach the database.
    """
    with exit_on_error("lpnet-service worker"):
        import torch

        from lpnet_service.observe.tracing import traces
        from lpnet_service.processes.lifeline import end_with_parent
        from lpnet_service.services.shared.context import context
        from lpnet_service.settings import from_environment
        from lpnet_service.worker.drift_watch import DriftWatch
        from lpnet_service.worker.loop import work_until_stopped
        from lpnet_service.worker.work import KINDS

        settings = from_environment()
        torch.set_num_threads(settings.torch_threads)
        if lifeline is not None:
            end_with_parent(lifeline)
        with traces("worker"):
            work_until_stopped(context(settings), KINDS, DriftWatch().check_if_due)


def _require_modules(*modules: str) -> None:
    """Raise for modules that the children import, before they are started."""
    for name in modules:
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
