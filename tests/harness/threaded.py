"""A service on a thread of this process: for tests whose subject is whoever talks to it."""

from __future__ import annotations

import asyncio
import signal
import socket
from threading import Event, Thread

import uvicorn

from lpnet_service.api.app import Application
from lpnet_service.db.migrate import migrate
from lpnet_service.server import Server
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings


class ThreadedService:
    """The real application behind a real server; none of the seconds that a process takes.

    What ends, freezes or replaces a service needs `lpnet-service run` instead.
    """

    def __init__(self, port: int, settings: Settings) -> None:
        self._context = context(settings)
        migrate(self._context.db)
        self._socket = socket.create_server(("127.0.0.1", port))
        application = Application(self._context)
        config = uvicorn.Config(application, log_config=None, access_log=False)
        self._server = Server(application, config)
        self._begun = Event()
        self._thread = Thread(target=asyncio.run, args=(self._serve(),), name="service")
        self._thread.start()
        self._begun.wait()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        await self._server.serve([self._socket])

    def close(self) -> None:
        """End it as SIGTERM would, held polls and all."""
        self._loop.call_soon_threadsafe(self._server.handle_exit, signal.SIGTERM, None)
        self._thread.join()
        self._socket.close()
        self._context.db.close()
