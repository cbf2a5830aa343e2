"""Refusing requests that a web page of another site may make a browser send.

A service without tokens lets any user of its machine do everything, and a browser runs there too.
So such a service answers only requests from loopback, without a proxy, to a loopback host name: a
page may rebind its own name to 127.0.0.1, and its requests carry that name. With and without
tokens, pages of other sites cannot change data.
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

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# Pages of other sites cannot read answers, as a script, as an image, or by sniffing the type.
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
_HINT = "set LPNET_TOKENS=required to let other machines in with tokens"


class BrowserGuard:
    """Refuses requests of other machines and sites with 403, and adds protective headers to all
    answers."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        reason = None
        if not self._context.settings.tokens_required:
            reason = _not_local_reason(scope, headers)
        reason = reason or _cross_site_reason(scope["method"], headers)
        if reason is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await problem_response(Forbidden(reason))(scope, receive, send_with_headers)


def _not_local_reason(scope: Scope, headers: Headers) -> str | None:
    proxy = next((name for name in _PROXY_HEADERS if name in headers), None)
    if proxy is not None:
        return f"a service without tokens refuses requests by a proxy ({proxy}): {_HINT}"
    peer = (scope.get("client") or ("", 0))[0]
    if _is_address(peer) and not is_loopback(peer):
        return f"a service without tokens answers only its own machine, not {peer}: {_HINT}"
    host = _host_name(headers.get("host", ""))
    # The server's address is the one that the connection was made to.
    own = (scope.get("server") or ("", 0))[0]
    if host != own and not is_loopback(host):
        return f"a service without tokens answers only to loopback names, not {host!r}: {_HINT}"
    return None


def _cross_site_reason(method: str, headers: Headers) -> str | None:
    if method in SAFE_METHODS:
        return None
    fetch_site = headers.get("sec-fetch-site")
    if fetch_site is not None:
        same = fetch_site in ("same-origin", "none")
    else:
        # Older browsers send only the origin, and programs send neither header.
        origin = headers.get("origin")
        same = origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return None if same else "a page of another site must not change data of this service"


def _host_name(host: str) -> str:
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
