"""One API process: the application on sockets that its parent has bound."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn

from lpnet_service.api.app import Application
from lpnet_service.services.context import context
from lpnet_service.settings import Settings

_GRACE_S = 4


class _Server(uvicorn.Server):
    """Tells held polls as soon as it is asked to stop itself."""

    def __init__(self, application: Application, config: uvicorn.Config):
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._application.state.stopping.set()
        super().handle_exit(sig, frame)


def serve_api(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Answer requests that come in on `sockets` until SIGTERM or SIGINT."""
    ctx = context(settings)
    application = Application(ctx)
    config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=_GRACE_S)
    # The server raises its signal again once it has stopped, which is no reason to die of it.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: None)
    signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    try:
        _Server(application, config).run(list(sockets))
    finally:
        ctx.db.close()
