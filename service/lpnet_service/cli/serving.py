"""`lpnet-service run` and `lpnet-service worker`."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import typer

from lpnet_service.cli.base import refusals
from lpnet_service.errors import SetupError

Host = Annotated[str, typer.Option(help="Address to listen on; a loopback address.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
NoWorker = Annotated[bool, typer.Option("--no-worker", help="Serve the API only.")]
Parent = Annotated[int | None, typer.Option(hidden=True, help="End when this process does.")]


def run(host: Host = "127.0.0.1", port: Port = 8000, no_worker: NoWorker = False) -> None:
    """Bring the database up to date, serve the API, and keep a training worker beside it."""
    with refusals("lpnet-service run"):
        from lpnet_service.server import serve
        from lpnet_service.settings import from_environment

        _only_loopback(host)
        serve(from_environment(), host=host, port=port, worker=not no_worker)


def worker(parent: Parent = None) -> None:
    """Work through trainings, studies and plans, until asked to stop."""
    with refusals("lpnet-service worker"):
        import torch

        from lpnet_service.services.context import context
        from lpnet_service.settings import from_environment
        from lpnet_service.worker.loop import work_until_stopped
        from lpnet_service.worker.work import KINDS

        settings = from_environment()
        torch.set_num_threads(settings.torch_threads)
        work_until_stopped(context(settings), KINDS, parent)


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
