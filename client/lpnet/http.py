"""HTTP to an lpnet server, with the errors of lpnet.

Only this module imports httpx. The client and the agent use it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import stamina
from pydantic import BaseModel

from lpnet.errors import (
    ApiError,
    LpnetError,
    ServerFault,
    ServerUnreachable,
    TooManyRequests,
    api_error,
)
from lpnet.proxies import Proxy, find_proxy
from lpnet.tokens import check_secret

Param = str | int | float | bool
# A sequence repeats the parameter.
Params = Mapping[str, Param | Sequence[Param] | None]

# The statuses of a server that is overloaded or restarting; 501 and 505 are permanent.
_TEMPORARY = frozenset({500, 502, 503, 504})
_REQUEST_ID = "X-Request-Id"
# What a service answers to a path that it does not have.
_NO_SUCH_PATH = "Not Found"
_TRACE_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
# What the creation of a TLS context reads.
_SSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_OCTETS = "application/octet-stream"


class _NotSent(ServerUnreachable):
    """There was no connection, so the server cannot have acted on the request."""


@dataclass(frozen=True)
class Fetched:
    """A response body, with the entity tag for requesting it again only if it changed."""

    content: bytes
    etag: str | None


class Http:
    """A connection to one server.

    `timeout` is in seconds, for connecting and for each read. A request is tried up to `attempts`
    times within `patience_s` seconds. It is tried again if there was no connection, and on a 429,
    which means that the server did not act. An idempotent request is also tried again after a
    broken connection or a temporary server fault. GET, PUT and DELETE are idempotent; for a POST
    the caller decides. A pause that the server asks for (Retry-After) is respected; if it is
    longer than `patience_s`, the error is raised.

    Each request has an id (`request_id` is that of the latest one), which the server logs too.
    With `traceparent` (W3C Trace Context, default: TRACEPARENT) the traces of the server continue
    those of the caller.

    A proxy that the environment names is used, except for a server on this machine.

    Raises ApiError for an error response, and ServerUnreachable if there is no answer, or at once
    if `base_url` or the proxy is not valid.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
        patience_s: float = 20.0,
        traceparent: str | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._attempts = attempts
        self._patience_s = patience_s
        headers = {"Accept": "application/json"}
        if token:
            try:
                headers["Authorization"] = f"Bearer {check_secret(token)}"
            except ValueError as error:
                raise LpnetError(f"the token for {self.base_url}: {error}") from error
        headers |= _trace_context(traceparent)
        self.request_id: str | None = None
        url = _server_url(self.base_url)
        # A proxy cannot reach the loopback of this machine.
        use_environment = transport is None and not _is_loopback(url.host)
        self._proxy = find_proxy(url.scheme, url.host, url.port) if use_environment else None
        self._client = httpx.Client(
            base_url=url,
            headers=headers,
            transport=transport or _new_transport(url.host, self._proxy, use_environment),
            timeout=timeout,
            trust_env=use_environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, *, params: Params | None = None) -> Any:
        """Return the JSON of the answer, or None if it has no body."""
        return _json(self._send("GET", path, idempotent=True, params=_without_none(params)))

    def headers(self, path: str) -> dict[str, str]:
        """Header names are in lower case."""
        return dict(self._send("GET", path, idempotent=True).headers)

    def post(
        self,
        path: str,
        body: BaseModel | Any = None,
        *,
        params: Params | None = None,
        idempotent: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Post a schema or plain JSON; return the JSON of the answer, or None for 204.

        `timeout` (seconds) replaces the default one, for a long poll.
        """
        options: dict[str, Any] = {"params": _without_none(params)} | _content(body)
        if timeout is not None:
            options["timeout"] = timeout
        return _json(self._send("POST", path, idempotent=idempotent, **options))

    def put(self, path: str, body: BaseModel | Any = None, *, params: Params | None = None) -> Any:
        options = {"params": _without_none(params)} | _content(body)
        return _json(self._send("PUT", path, idempotent=True, **options))

    def delete(self, path: str, *, params: Params | None = None) -> Any:
        return _json(self._send("DELETE", path, idempotent=True, params=_without_none(params)))

    def get_bytes(
        self, path: str, *, params: Params | None = None, etag: str | None = None
    ) -> Fetched | None:
        """The bytes at `path`; None if they still match `etag`."""
        headers = {"Accept": "*/*"} | ({"If-None-Match": etag} if etag else {})
        response = self._send(
            "GET", path, idempotent=True, params=_without_none(params), headers=headers
        )
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        return Fetched(response.content, response.headers.get("etag"))

    def post_bytes(
        self,
        path: str,
        content: bytes,
        *,
        content_type: str = _OCTETS,
        params: Params | None = None,
        idempotent: bool = True,
    ) -> Any:
        return _json(
            self._send(
                "POST",
                path,
                idempotent=idempotent,
                content=content,
                params=_without_none(params),
                headers={"Content-Type": content_type},
            )
        )

    @contextmanager
    def stream(self, path: str, *, params: Params | None = None) -> Iterator[Iterator[bytes]]:
        """A download of any size, in chunks:

            with http.stream("/v1/samples/export") as chunks:
                for chunk in chunks: ...

        It is not tried again once it has begun: a broken download raises ServerUnreachable.
        """
        headers = {"Accept": "*/*"} | self._new_request_id()
        with (
            self._transport_errors(),
            self._client.stream(
                "GET", path, params=_without_none(params), headers=headers
            ) as response,
        ):
            if not response.is_success:
                response.read()
                raise _error(response, self._proxy)
            yield response.iter_bytes()

    def _send(self, method: str, path: str, *, idempotent: bool, **options: Any) -> httpx.Response:
        # All attempts share an id, which finds any of them in the log of the server.
        options["headers"] = options.get("headers", {}) | self._new_request_id()

        def retry(error: Exception) -> bool | float:
            """Whether to try again, or the pause before it in seconds."""
            if isinstance(error, ServerUnreachable):
                return idempotent or isinstance(error, _NotSent)
            if isinstance(error, TooManyRequests):
                return self._retry_after(error)
            if isinstance(error, ServerFault) and error.status in _TEMPORARY:
                return idempotent and self._retry_after(error)
            return False

        for attempt in stamina.retry_context(
            on=retry,
            attempts=self._attempts,
            timeout=self._patience_s,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.1,
        ):
            with attempt:
                return self._send_once(method, path, options)
        raise AssertionError("a retry loop ends by returning or raising")

    def _retry_after(self, error: ApiError) -> bool | float:
        """The pause in seconds that the server asks for: True for none, False if it is too
        long."""
        pause_s = error.retry_after_s
        return not pause_s or (pause_s <= self._patience_s and pause_s)

    def _send_once(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        with self._transport_errors():
            response = self._client.request(method, path, **options)
        if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
            return response
        raise _error(response, self._proxy)

    def _new_request_id(self) -> dict[str, str]:
        self.request_id = secrets.token_hex(16)
        return {_REQUEST_ID: self.request_id}

    @contextmanager
    def _transport_errors(self) -> Iterator[None]:
        proxy = self._proxy
        server = self.base_url if proxy is None else f"{self.base_url} through the proxy {proxy}"
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            question = "Is the server running?"
            if proxy is not None:
                question = "Are both running? To reach the server directly, add it to NO_PROXY."
            raise _NotSent(f"no answer from {server}: {error}. {question}") from error
        except httpx.TimeoutException as error:
            raise ServerUnreachable(f"no answer from {server} in time") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ServerUnreachable(
                f"{self.base_url!r} is not the URL of a server: {error}"
            ) from error
        except httpx.RequestError as error:
            raise ServerUnreachable(
                f"the connection to {server} broke: {error or type(error).__name__}"
            ) from error


def _new_transport(host: str, proxy: Proxy | None, use_environment: bool) -> httpx.BaseTransport:
    try:
        return httpx.HTTPTransport(
            trust_env=use_environment, proxy=None if proxy is None else proxy.url
        )
    except ImportError as error:
        assert proxy is not None
        raise ServerUnreachable(
            f"{proxy}: a SOCKS proxy needs the package 'socksio': pip install 'httpx[socks]'. "
            f"Or unset {proxy.variable}, or add {host} to NO_PROXY"
        ) from error
    except (httpx.InvalidURL, ValueError) as error:
        raise ServerUnreachable(f"{proxy} is not the URL of a proxy: {error}") from error
    except OSError as error:
        names = [name for name in _SSL_VARIABLES if os.environ.get(name)]
        raise LpnetError(
            f"the TLS settings in {', '.join(names) or 'this system'} cannot be used: {error}"
        ) from error


def _server_url(text: str) -> httpx.URL:
    """Raises ServerUnreachable for an invalid URL."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ServerUnreachable(f"{text!r} is not the URL of a server: {error}") from error
    port_is_valid = url.port is None or 0 < url.port < 2**16
    if url.scheme not in ("http", "https") or not url.host or not port_is_valid:
        raise ServerUnreachable(
            f"{text!r} is not the URL of a server: use one like http://127.0.0.1:8000"
        )
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _trace_context(traceparent: str | None) -> dict[str, str]:
    """Raises ValueError for an invalid `traceparent`; an invalid TRACEPARENT is ignored."""
    if traceparent is not None:
        if not _TRACE_PARENT.fullmatch(traceparent):
            raise ValueError(f"traceparent={traceparent!r} does not follow W3C Trace Context")
        return {"traceparent": traceparent}
    inherited = os.environ.get("TRACEPARENT", "")
    return {"traceparent": inherited} if _TRACE_PARENT.fullmatch(inherited) else {}


def _without_none(params: Params | None) -> dict[str, Param | Sequence[Param]]:
    return {name: value for name, value in (params or {}).items() if value is not None}


def _content(body: BaseModel | Any) -> dict[str, Any]:
    if body is None:
        return {}
    if isinstance(body, BaseModel):
        return {
            "content": body.model_dump_json().encode(),
            "headers": {"Content-Type": "application/json"},
        }
    return {"json": body}


def _json(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise ApiError(
            response.status_code,
            "not_json",
            f"{response.url} did not answer with JSON; is it an lpnet server?",
        ) from error


def _error(response: httpx.Response, proxy: Proxy | None) -> ApiError:
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = None
    problem: dict[str, Any] = body if isinstance(body, dict) else {}
    detail = str(problem.get("detail") or f"{response.reason_phrase} ({response.url})")
    if status == httpx.codes.NOT_FOUND and problem.get("detail") in (None, _NO_SUCH_PATH):
        detail = (
            f"{response.url} is not found: is this the address of an lpnet service, without a "
            "path such as /v1? An older service lacks newer paths"
        )
    if not problem and proxy is not None:
        detail += f", possibly from the proxy {proxy}"
    errors = problem.get("errors")
    faults = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    error = api_error(status, str(problem.get("code") or f"http_{status}"), detail, faults)
    error.retry_after_s = _seconds(response.headers.get("retry-after", ""))
    sent = response.request.headers.get(_REQUEST_ID)
    error.request_id = response.headers.get(_REQUEST_ID, sent)
    return error


def _seconds(retry_after: str) -> float | None:
    # The other form of Retry-After, a date, is ignored.
    text = retry_after.strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
