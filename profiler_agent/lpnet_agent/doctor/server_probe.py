"""What the server answers to a few requests, before it is judged."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from lpnet.errors import ApiError, LpnetError, NotAllowed, NotFound
from lpnet.http import Http
from lpnet.schemas.token import SessionInfo
from lpnet_agent.settings import Settings

MAX_TIMEOUT_S = 3.0
_TITLE = "lpnet"


@dataclass(frozen=True)
class ServerProbe:
    """The answers of a server; None for what it did not answer.

    `token`: whether a token was sent. `error` is why the server cannot be used at all, `refused`
    why it does not accept the token, and `device` the device that the token belongs to. `ahead_s`
    is how far the server's clock is ahead of this machine's, accurate to `uncertain_s`.
    """

    url: str
    token: bool
    error: str | None = None
    version: str | None = None
    refused: str | None = None
    device: str | None = None
    ahead_s: float | None = None
    uncertain_s: float = 0.0


def probe_server(settings: Settings) -> ServerProbe:
    url, token = settings.url, settings.token is not None
    ahead_s, uncertain_s = None, 0.0
    timeout_s = min(settings.request_s, MAX_TIMEOUT_S)
    try:
        with Http(url, settings.token, timeout=timeout_s, attempts=1) as http:
            sent_at = time.time()
            date = http.headers("/healthz").get("date")
            ahead_s, uncertain_s = _clock_difference(date, sent_at, time.time())
            http.get("/readyz")
            version = _version(http)
            refused, device = _try_token(http)
    except LpnetError as error:
        return ServerProbe(url, token, str(error), ahead_s=ahead_s, uncertain_s=uncertain_s)
    return ServerProbe(url, token, None, version, refused, device, ahead_s, uncertain_s)


def _clock_difference(
    date: str | None, sent_at: float, received_at: float
) -> tuple[float | None, float]:
    """How far the server's clock is ahead, and the uncertainty, both in seconds.

    The Date header is cut to whole seconds, and was written between `sent_at` and `received_at`.
    """
    try:
        server_time = parsedate_to_datetime(date or "").timestamp() + 0.5
    except (ValueError, OverflowError, OSError):
        return None, 0.0
    ahead_s = server_time - (sent_at + received_at) / 2
    return ahead_s, 0.5 + (received_at - sent_at) / 2


def _version(http: Http) -> str | None:
    """Raises ApiError if the server is not an lpnet server."""
    about = http.get("/openapi.json")
    info = about.get("info") if isinstance(about, dict) else None
    if not isinstance(info, dict) or info.get("title") != _TITLE:
        raise ApiError(200, "not_lpnet", f"what answers at {http.base_url} is not an lpnet server")
    return str(info.get("version"))


def _try_token(http: Http) -> tuple[str | None, str | None]:
    """The reason why the token is not accepted for an agent, and the device that it belongs to."""
    try:
        session = SessionInfo.model_validate(http.get("/v1/session"))
    except NotAllowed as error:
        return str(error), None
    except NotFound:
        # A server from before there were tokens.
        return None, None
    if not {"agent", "admin"} & set(session.scopes):
        return f"it is for {', '.join(session.scopes)}, not for an agent", None
    return None, session.device
