"""One API process: the application on sockets that its parent has bound."""

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
    """Tells held polls as soon as it is asked to stop itself."""

    def __init__(self, application: Application, config: uvicorn.Config):
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.state.stopping.set()
        super().handle_exit(sig, frame)


def serve_api(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Answer requests that come in on `sockets` until SIGTERM or SIGINT."""
    # By its own sockets: no other process has to tell this one that it asks for tokens.
    ctx = context(admission.settled(settings, [one.getsockname()[0] for one in sockets]))
    application = Application(ctx)
    config = uvicorn.Config(
        application,
        # Its lines go where those of the service go, and the service logs each request itself.
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = Server(application, config)
    gc_freeze.settle()
    # It handles them only while it serves: not before, and it raises its signal again afterwards.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    try:
        with traces("api", application):
            server.run(list(sockets))
    finally:
        ctx.db.close()
