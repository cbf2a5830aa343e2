"""A page for browsers that follow a link to nowhere."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_API = "/v1/"


class NotFoundPage:
    """Answers a browser's request for a page that does not exist with `body` instead of a problem
    document. Programs, and the paths of the API, still get the document."""

    def __init__(self, app: ASGIApp, body: str) -> None:
        self._app = app
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_page(scope):
            await self._app(scope, receive, send)
            return
        replaced = False

        async def send_page(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 404:
                replaced = True
                page = HTMLResponse(self._body, 404, headers={"Cache-Control": "no-cache"})
                await page(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, send_page)


def _wants_page(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept", "")
    is_read = scope["method"] in ("GET", "HEAD")
    return is_read and "text/html" in accepted and not scope["path"].startswith(_API)
