"""HTTP to an lpnet server: JSON, bytes and streams in, lpnet's own errors out.

The only module that imports httpx; the client and the agent both use it.
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
from lpnet.tokens import checked

Param = str | int | float | bool
# A sequence is a parameter that is given several times.
Params = Mapping[str, Param | Sequence[Param] | None]

# A server that is overloaded or restarting answers so; 501 and 505 will not get better.
_PASSING = frozenset({500, 502, 503, 504})
_REQUEST_ID = "X-Request-Id"
_TRACE_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_OCTETS = "application/octet-stream"


class _NotSent(ServerUnreachable):
    """The connection never stood, so the server cannot have acted on the request."""


@dataclass(frozen=True)
class Fetched:
    """A body of bytes, with the entity tag that asks for it again only if it changed."""

    content: bytes
    etag: str | None


class Http:
    """A connection to one server.

    `timeout` is in seconds, for connecting and for each read. A request is tried up to `attempts`
    times within `patience_s`: any request if no connection stood, an idempotent one also on a cut
    connection and on a passing server fault. GET, PUT and DELETE count as idempotent; a POST does
    where the caller says so. Of a 429 the server says that it did not act. Where it asks for a
    pause (Retry-After), that is kept, or the error raised where it is longer than the patience.

    Every request has an id of its own (`request_id` is that of the latest one), which the server
    logs too. `traceparent` (W3C Trace Context; default: the environment's TRACEPARENT, if it is
    one) ties what the server does to a trace of whoever asks.

    Raises an `ApiError` for an answer that is an error, `ServerUnreachable` for no answer, and at once
    for a `base_url` that no server can have.
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
                headers["Authorization"] = f"Bearer {checked(token)}"
            except ValueError as error:
                raise LpnetError(f"the token for {self.base_url}: {error}") from error
        headers |= _trace_context(traceparent)
        self.request_id: str | None = None
        url = _server_url(self.base_url)
        self._client = httpx.Client(
            base_url=url,
            headers=headers,
            transport=transport,
            timeout=timeout,
            # A proxy from the environment cannot reach this machine's loopback.
            trust_env=not _is_loopback(url.host),
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
        """Drop the open connections; the object must not be used afterwards."""
        self._client.close()

    def get(self, path: str, *, params: Params | None = None) -> Any:
        """The JSON at `path`; None where the answer has no body."""
        return _json(self._send("GET", path, idempotent=True, params=_given(params)))

    def headers(self, path: str) -> dict[str, str]:
        """The headers of the answer to a GET of `path`, their names in lower case."""
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
        """Post a schema or plain JSON; the answer's JSON, or None for 204.

        `timeout` (seconds) replaces the usual one, as a long poll needs.
        """
        options: dict[str, Any] = {"params": _given(params)} | _content(body)
        if timeout is not None:
            options["timeout"] = timeout
        return _json(self._send("POST", path, idempotent=idempotent, **options))

    def put(self, path: str, body: BaseModel | Any = None, *, params: Params | None = None) -> Any:
        """Put a schema or plain JSON; the answer's JSON, or None for 204."""
        options = {"params": _given(params)} | _content(body)
        return _json(self._send("PUT", path, idempotent=True, **options))

    def delete(self, path: str, *, params: Params | None = None) -> Any:
        """Delete what is at `path`; the answer's JSON, or None for 204."""
        return _json(self._send("DELETE", path, idempotent=True, params=_given(params)))

    def get_bytes(
        self, path: str, *, params: Params | None = None, etag: str | None = None
    ) -> Fetched | None:
        """The bytes at `path`; None if they still match `etag`."""
        headers = {"Accept": "*/*"} | ({"If-None-Match": etag} if etag else {})
        response = self._send("GET", path, idempotent=True, params=_given(params), headers=headers)
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
        """Post bytes as they are; the answer's JSON, or None for 204."""
        return _json(
            self._send(
                "POST",
                path,
                idempotent=idempotent,
                content=content,
                params=_given(params),
                headers={"Content-Type": content_type},
            )
        )

    @contextmanager
    def stream(self, path: str, *, params: Params | None = None) -> Iterator[Iterator[bytes]]:
        """A download of any size, piece by piece:

            with http.stream("/v1/samples/export") as pieces:
                for piece in pieces: ...

        It is not tried again once it has begun: a cut download raises ServerUnreachable.
        """
        headers = {"Accept": "*/*"} | self._next_id()
        with (
            self._transport_errors(),
            self._client.stream("GET", path, params=_given(params), headers=headers) as response,
        ):
            if not response.is_success:
                response.read()
                raise _problem(response)
            yield response.iter_bytes()

    def _send(self, method: str, path: str, *, idempotent: bool, **options: Any) -> httpx.Response:
        # One id for all attempts: what the server has of any of them is found by it.
        options["headers"] = options.get("headers", {}) | self._next_id()

        def worth_repeating(error: Exception) -> bool | float:
            """Whether to try again; after how many seconds, where the server said so."""
            if isinstance(error, ServerUnreachable):
                return idempotent or isinstance(error, _NotSent)
            if isinstance(error, TooManyRequests):
                return self._pause(error)
            if isinstance(error, ServerFault) and error.status in _PASSING:
                return idempotent and self._pause(error)
            return False

        for attempt in stamina.retry_context(
            on=worth_repeating,
            attempts=self._attempts,
            timeout=self._patience_s,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.1,
        ):
            with attempt:
                return self._send_once(method, path, options)
        raise AssertionError("a retry loop ends by returning or raising")

    def _pause(self, error: ApiError) -> bool | float:
        """The pause that a server asks for; True: none, False: too long a one."""
        asked_s = error.retry_after_s
        return not asked_s or (asked_s <= self._patience_s and asked_s)

    def _send_once(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        with self._transport_errors():
            response = self._client.request(method, path, **options)
        if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
            return response
        raise _problem(response)

    def _next_id(self) -> dict[str, str]:
        self.request_id = secrets.token_hex(16)
        return {_REQUEST_ID: self.request_id}

    @contextmanager
    def _transport_errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _NotSent(
                f"no answer from {self.base_url}: {error}. Is the server running there?"
            ) from error
        except httpx.TimeoutException as error:
            raise ServerUnreachable(f"no answer from {self.base_url} in time") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ServerUnreachable(
                f"{self.base_url!r} is not the URL of a server: {error}"
            ) from error
        except httpx.RequestError as error:
            raise ServerUnreachable(
                f"the connection to {self.base_url} broke: {error or type(error).__name__}"
            ) from error


def _server_url(text: str) -> httpx.URL:
    """Raises ServerUnreachable for what can never be the URL of a server."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ServerUnreachable(f"{text!r} is not the URL of a server: {error}") from error
    port_is_fine = url.port is None or 0 < url.port < 2**16
    if url.scheme not in ("http", "https") or not url.host or not port_is_fine:
        raise ServerUnreachable(
            f"{text!r} is not the URL of a server: it should look like http://127.0.0.1:8000"
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
    """Raises ValueError for a `traceparent` that is none; the environment's is then left out."""
    if traceparent is not None:
        if not _TRACE_PARENT.fullmatch(traceparent):
            raise ValueError(f"traceparent={traceparent!r} is not one of W3C Trace Context")
        return {"traceparent": traceparent}
    inherited = os.environ.get("TRACEPARENT", "")
    return {"traceparent": inherited} if _TRACE_PARENT.fullmatch(inherited) else {}


def _given(params: Params | None) -> dict[str, Param | Sequence[Param]]:
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
            f"{response.url} answered with something else than JSON; is it an lpnet server?",
        ) from error


def _problem(response: httpx.Response) -> ApiError:
    """The error of an answer, whether the server itself or something before it made it."""
    status = response.status_code
    try:
        found = response.json()
    except ValueError:
        found = None
    problem: dict[str, Any] = found if isinstance(found, dict) else {}
    detail = str(problem.get("detail") or f"{response.reason_phrase} ({response.url})")
    errors = problem.get("errors")
    faults = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    error = api_error(status, str(problem.get("code") or f"http_{status}"), detail, faults)
    error.retry_after_s = _seconds(response.headers.get("retry-after", ""))
    sent = response.request.headers.get(_REQUEST_ID)
    error.request_id = response.headers.get(_REQUEST_ID, sent)
    return error


def _seconds(retry_after: str) -> float | None:
    """Of the two forms of Retry-After the one that lpnet's service sends."""
    text = retry_after.strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
