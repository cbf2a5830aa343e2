"""What a web page of somebody else could make a browser send here is refused.

Without tokens whoever is on this machine may do everything, and a browser is on it too. So an open
service answers only requests that come from loopback, by no proxy, under a loopback name (a page
may rebind its own name to 127.0.0.1, and its requests then carry that name). Whether tokens are
asked for or not, a page of another site changes nothing.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lpnet_service.api.access import SAFE_METHODS
from lpnet_service.api.problems import problem_response
from lpnet_service.errors import Forbidden
from lpnet_service.services.access.admission import is_loopback
from lpnet_service.services.shared.context import Context

_BY_PROXY = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# Nobody else's page reads an answer, as a script, an image, or by guessing another type.
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
_REQUIRED = "with LPNET_TOKENS=required it asks for tokens, and is open to others"


class BrowserGuard:
    """Refuses such requests with 403, and marks all answers."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        why = None if self._context.settings.tokens_required else _not_from_here(scope, headers)
        why = why or _cross_site(scope["method"], headers)
        if why is None:
            await self._app(scope, receive, send_marked)
        else:
            await problem_response(Forbidden(why))(scope, receive, send_marked)


def _not_from_here(scope: Scope, headers: Headers) -> str | None:
    """Why a request to an open service may come from elsewhere; None where it cannot."""
    proxy = next((name for name in _BY_PROXY if name in headers), None)
    if proxy is not None:
        return f"this service is open, and takes nothing from a proxy ({proxy}): {_REQUIRED}"
    peer = (scope.get("client") or ("", 0))[0]
    if _is_address(peer) and not is_loopback(peer):
        return f"this service is open to its own machine alone, not to {peer}: {_REQUIRED}"
    host = _name(headers.get("host", ""))
    # The server's own idea of its name is the address that the connection came to.
    own = (scope.get("server") or ("", 0))[0]
    if host != own and not is_loopback(host):
        return f"this service is open, and called {host!r} by nobody on its machine: {_REQUIRED}"
    return None


def _cross_site(method: str, headers: Headers) -> str | None:
    """Why a page of another site may have sent what changes something; None where it cannot."""
    if method in SAFE_METHODS:
        return None
    said = headers.get("sec-fetch-site")
    if said is not None:
        same = said in ("same-origin", "none")
    else:
        # Older browsers say only where a page is from; programs say neither.
        origin = headers.get("origin")
        same = origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return None if same else "a page of another site may not change anything here"


def _name(host: str) -> str:
    """A Host header without its port: `localhost`, `127.0.0.1`, `::1`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
