"""The parent of all processes that `lpnet-service run` starts. It answers no requests."""

from __future__ import annotations

import os

import structlog

from lpnet.stop import Stop
from lpnet_service.db.migrate import migrate
from lpnet_service.observe import tracing
from lpnet_service.observe.shared_metrics import shared_metrics
from lpnet_service.processes.lifeline import Lifeline
from lpnet_service.processes.limits import raise_open_files
from lpnet_service.processes.listening import bound_sockets
from lpnet_service.processes.supervisor import Role, Supervisor
from lpnet_service.services.access import admission
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

_CHECK_S = 0.1
_log = structlog.get_logger()


def serve(settings: Settings, *, host: str, port: int, api_processes: int, workers: int) -> None:
    """Migrate the database, then keep the processes running until SIGTERM or SIGINT.

    All of them end within 10 s of the signal, or of the end of this process. Raises SetupError if
    the database, the address or the port cannot be used, or if the address needs tokens and there
    is no usable one.
    """
    tracing.check()
    raise_open_files()
    ctx = context(settings)
    migrate(ctx.db)
    access = admission.check(ctx, host)
    ctx.db.close()
    with bound_sockets(host, port) as sockets, Lifeline() as lifeline, shared_metrics() as metrics:
        stop = Stop()
        # A second signal does not end this process before its children.
        stop.on_signals(second_signal_ends=False)
        inherited = [*(socket.fileno() for socket in sockets), lifeline.fd]
        api = Role("api", _api_arguments(inherited), inherited, os.environ | metrics)
        worker = Role("worker", ("worker", "--lifeline", str(lifeline.fd)), [lifeline.fd])
        with Supervisor() as children:
            children.start(api, api_processes)
            children.start(worker, workers)
            _log.info(
                "serving",
                host=host,
                port=port,
                access=access,
                database=ctx.db.url.render_as_string(),
                api_processes=api_processes,
                workers=workers,
            )
            while not stop.wait(_CHECK_S):
                children.restart_ended()


def _api_arguments(inherited: list[int]) -> list[str]:
    *sockets, lifeline = map(str, inherited)
    options = [text for socket in sockets for text in ("--socket", socket)]
    return ["api", *options, "--lifeline", lifeline]
