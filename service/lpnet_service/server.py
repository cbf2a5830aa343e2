"""An API process: the application on sockets that its parent has bound."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn

from lpnet_service import gc_freeze
from lpnet_service.api.app import Application
from lpnet_service.observe.tracing import traces
from lpnet_service.services.access import admission
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

_GRACE_S = 4


class Server(uvicorn.Server):
    """Ends waiting polls as soon as the server is told to stop."""

    def __init__(self, application: Application, config: uvicorn.Config):
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.state.stopping.set()
        super().handle_exit(sig, frame)


def serve_api(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    # Its own addresses decide whether tokens are required, not another process.
    hosts = [bound.getsockname()[0] for bound in sockets]
    ctx = context(admission.effective_settings(settings, hosts))
    application = Application(ctx)
    config = uvicorn.Config(
        application,
        # Uvicorn logs like the service, which logs each request itself.
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = Server(application, config)
    gc_freeze.freeze_loaded_objects()
    # Uvicorn handles signals only while it serves, and raises them again afterwards.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    try:
        with traces("api", application):
            server.run(list(sockets))
    finally:
        ctx.db.close()
