"""Who sent a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lpnet.schemas.token import Scope


@dataclass(frozen=True)
class Caller:
    """The sender of a request.

    token       id of their token; None if the service requires none
    device      the device of an agent's token; None for all other tokens
    expires_at  when the token or the browser session ends
    csrf        what a browser session has to send with requests that change something
    Limits that are None are those of the service.
    """

    name: str
    scopes: tuple[Scope, ...]
    token: str | None = None
    device: str | None = None
    expires_at: datetime | None = None
    requests_per_s: float | None = None
    max_body_mib: int | None = None
    csrf: str | None = None

    def has_any(self, *scopes: Scope) -> bool:
        """Whether the caller has one of the scopes; `admin` includes every scope."""
        return "admin" in self.scopes or any(scope in self.scopes for scope in scopes)


# The caller on loopback without tokens.
LOCAL_CALLER = Caller("anybody on this machine", ("admin",))
