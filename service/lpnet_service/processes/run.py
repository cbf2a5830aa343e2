"""The parent of everything that `lpnet-service run` starts. It answers no request itself."""

from __future__ import annotations

import os
import select
import signal

import structlog

from lpnet_service.db.migrate import migrate
from lpnet_service.observe import tracing
from lpnet_service.observe.sharing import shared_metrics
from lpnet_service.processes.lifeline import Lifeline
from lpnet_service.processes.listening import bound
from lpnet_service.processes.supervisor import Role, Supervisor
from lpnet_service.services.access import admission
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

_LOOK_S = 0.1
_log = structlog.get_logger()


def serve(settings: Settings, *, host: str, port: int, api_processes: int, workers: int) -> None:
    """Migrate, then keep that many API processes and workers alive until SIGTERM or SIGINT.

    All of them end within 10 s of the signal, and at once where this process is killed. Raises
    SetupError for what cannot be: a database, an address, a port that is taken, an address that
    others reach without a token that lets anybody in.
    """
    tracing.check()
    ctx = context(settings)
    migrate(ctx.db)
    access = admission.check(ctx, host)
    ctx.db.close()
    with bound(host, port) as sockets, Lifeline() as lifeline, shared_metrics() as metrics:
        asked = _Asked()
        inherited = [*(one.fileno() for one in sockets), lifeline.fd]
        # All that API processes share beside the database.
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
            while not asked.within(_LOOK_S):
                children.look()


def _api_arguments(inherited: list[int]) -> list[str]:
    *sockets, lifeline = map(str, inherited)
    listening = [word for one in sockets for word in ("--socket", one)]
    return ["api", *listening, "--lifeline", lifeline]


class _Asked:
    """Whether this process was asked to end, by SIGTERM or SIGINT.

    A pipe, which a signal handler may write to at any moment, and which wakes whoever waits.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def within(self, seconds: float) -> bool:
        """Wait so long, or until it was asked."""
        return bool(select.select([self._reader], [], [], seconds)[0])

    def _hear(self, _signal: int, _frame: object) -> None:
        os.write(self._writer, b"x")
