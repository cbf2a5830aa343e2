"""The API server, and the worker beside it."""

from __future__ import annotations

import signal
from types import FrameType

import structlog
import uvicorn

from lpnet_service.api.app import Application
from lpnet_service.db.migrate import migrate
from lpnet_service.services.context import context
from lpnet_service.settings import Settings
from lpnet_service.worker.supervisor import Supervisor

_GRACE_S = 4
_log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Tells held polls and the worker as soon as it is asked to stop itself."""

    def __init__(self, application: Application, config: uvicorn.Config, beside: Supervisor):
        super().__init__(config)
        self._application = application
        self._beside = beside

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.state.stopping.set()
        self._beside.begin_stop()
        super().handle_exit(sig, frame)


def serve(settings: Settings, *, host: str, port: int, worker: bool) -> None:
    """Migrate, then serve until SIGTERM or SIGINT. Raises SetupError for settings that cannot be.

    The worker is a child process; both end within 10 s of the signal.
    """
    ctx = context(settings)
    migrate(ctx.db)
    application = Application(ctx)
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
    )
    beside = Supervisor()
    if worker:
        beside.start()
    # The server gives its signal back once it has stopped; the worker has yet to be seen off.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: None)
    signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    _log.info("serving", host=host, port=port, database=ctx.db.url.render_as_string())
    try:
        _Server(application, config, beside).run()
    finally:
        if worker:
            beside.stop()
        ctx.db.close()
