"""What the server says when it is spoken to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from lpnet.errors import ApiError, LpnetError, NotAllowed, NotFound
from lpnet.http import Http
from lpnet.schemas.token import Session
from lpnet_agent.settings import Settings

PATIENCE_S = 3.0
_TITLE = "lpnet"


@dataclass(frozen=True)
class Greeting:
    """What came of asking a server; None where it did not say.

    `error` is why it cannot be used at all, `refused` why it does not take the token, `device` the
    one that the token is of. `ahead_s` is how far its clock is ahead of this machine's, known to
    within `uncertain_s`.
    """

    url: str
    token: bool
    error: str | None = None
    version: str | None = None
    refused: str | None = None
    device: str | None = None
    ahead_s: float | None = None
    uncertain_s: float = 0.0


def greet(settings: Settings) -> Greeting:
    """Ask the server that the settings name: whether it is ready, what it is, what time it has."""
    url, token = settings.url, settings.token is not None
    ahead, uncertain = None, 0.0
    patience = min(settings.request_s, PATIENCE_S)
    try:
        with Http(url, settings.token, timeout=patience, attempts=1) as http:
            before = time.time()
            date = http.headers("/healthz").get("date")
            after = time.time()
            ahead, uncertain = _ahead(date, before, after)
            http.get("/readyz")
            version = _version(http)
            refused, device = _admission(http)
    except LpnetError as error:
        return Greeting(url, token, str(error), ahead_s=ahead, uncertain_s=uncertain)
    return Greeting(url, token, None, version, refused, device, ahead, uncertain)


def _ahead(date: str | None, before: float, after: float) -> tuple[float | None, float]:
    """The header has whole seconds, cut off, and was written at some time between the two."""
    try:
        said = parsedate_to_datetime(date or "").timestamp() + 0.5
    except (ValueError, OverflowError, OSError):
        return None, 0.0
    return said - (before + after) / 2, 0.5 + (after - before) / 2


def _version(http: Http) -> str | None:
    """Raises ApiError for a server that is another than lpnet's."""
    about = http.get("/openapi.json")
    info = about.get("info") if isinstance(about, dict) else None
    if not isinstance(info, dict) or info.get("title") != _TITLE:
        raise ApiError(200, "not_lpnet", f"what answers at {http.base_url} is not an lpnet server")
    return str(info.get("version"))


def _admission(http: Http) -> tuple[str | None, str | None]:
    """Why the token is not an agent's, and the device that it is of."""
    try:
        who = Session.model_validate(http.get("/v1/session"))
    except NotAllowed as error:
        return str(error), None
    except NotFound:
        # A server from before there were tokens.
        return None, None
    if not {"agent", "admin"} & set(who.scopes):
        return f"it is for {', '.join(who.scopes)}, not for an agent", None
    return None, who.device
