"""Wraps every request: gives it an id, logs a line about it, counts it."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lpnet.logs import fields
from lpnet_service.observe.meters import POLL_ROUTE, AnsweredRequest, Meters

REQUEST_ID = "X-Request-Id"
_VALID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_POLL_PATH = re.compile(re.escape(POLL_ROUTE).replace(r"\{id\}", "[^/]+"))
_log = structlog.get_logger()


class RequestObserver:
    """An ASGI application that gives every request an id, logs one line about it and counts it.

    A valid `X-Request-Id` of the client is used as the id. The answer has the id, and so has every
    line that is logged during the request.
    """

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields.reset(request_id=_request_id(Headers(scope=scope)))
        answer = _Answer(send)
        started = time.perf_counter()
        is_poll = scope["method"] == "POST" and bool(_POLL_PATH.fullmatch(scope["path"]))
        try:
            with self._meters.answering(is_poll):
                await self._app(scope, receive, answer.send)
        except Exception:
            # The error handler has logged and answered it. If the answer is incomplete, the
            # server has to close the connection.
            if not answer.is_complete:
                raise
        finally:
            self._end(scope, answer.status, time.perf_counter() - started)

    def _end(self, scope: Scope, status: int | None, seconds: float) -> None:
        route: str | None = getattr(scope.get("route"), "path", None)
        self._meters.count(AnsweredRequest(scope["method"], route, status, seconds))
        _log.info(
            "request",
            method=scope["method"],
            # Never the path: it may hold the token of a lease.
            route=route,
            status=status,
            duration_ms=round(1e3 * seconds, 1),
        )


class _Answer:
    """Passes an answer on, and keeps its status and whether it is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.is_complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = fields.current()["request_id"]
        elif message["type"] == "http.response.body":
            self.is_complete = not message.get("more_body", False)
        await self._send(message)


def _request_id(headers: Headers) -> str:
    client_id = headers.get(REQUEST_ID, "")
    return client_id if _VALID.fullmatch(client_id) else secrets.token_hex(16)
