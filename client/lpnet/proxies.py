"""The proxy that the environment names for a server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from lpnet.errors import ServerUnreachable

_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the environment variable that names it. Its text hides the credentials."""

    url: str
    variable: str

    def __str__(self) -> str:
        credentials, at, address = self.url.rpartition("@")
        if not at:
            return f"{self.variable}={self.url}"
        scheme, separator, _ = credentials.partition("://")
        return f"{self.variable}={scheme}{separator}***@{address}"


def find_proxy(scheme: str, host: str, port: int | None) -> Proxy | None:
    """The proxy for a server, or None if there is none or NO_PROXY excludes the server.

    Raises ServerUnreachable, naming the variable, for a proxy that is not a valid URL.
    """
    urls = getproxies()
    kind = next((kind for kind in (scheme, "all") if urls.get(kind)), None)
    if kind is None or proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return None
    url = urls[kind].strip()
    proxy = Proxy(url if "://" in url else f"http://{url}", _variable(kind, urls[kind]))
    _check(proxy)
    return proxy


def _variable(kind: str, value: str) -> str:
    names = [name for name in os.environ if name.lower() == f"{kind}_proxy"]
    # The lower-case name has precedence.
    names.sort(key=str.islower, reverse=True)
    return next(
        (name for name in names if os.environ[name] == value), "the proxy settings of this system"
    )


def _check(proxy: Proxy) -> None:
    remedy = f"use a URL like http://HOST:PORT, or unset {proxy.variable}"
    try:
        parts = urlsplit(proxy.url)
        has_valid_address = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number, or a bracket is missing
        has_valid_address = False
    if not has_valid_address or any(character.isspace() for character in proxy.url):
        raise ServerUnreachable(f"{proxy} is not the URL of a proxy: {remedy}")
    if parts.scheme not in _SCHEMES:
        raise ServerUnreachable(
            f"{proxy}: proxies of kind {parts.scheme!r} are not supported, only "
            f"{', '.join(_SCHEMES)}; {remedy}"
        )
