"""Who sent a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lpnet.schemas.token import Scope


@dataclass(frozen=True)
class Caller:
    """`token` is the id of the token that was shown; None: nobody was asked for one. An agent's
    token is of one `device`; anybody else has none. `expires_at` is when token or session ends,
    `csrf` what a session of a browser has to send along. A limit that is None is the service's.
    """

    name: str
    scopes: tuple[Scope, ...]
    token: str | None = None
    device: str | None = None
    expires_at: datetime | None = None
    requests_per_s: float | None = None
    max_body_mib: int | None = None
    csrf: str | None = None

    def may(self, *scopes: Scope) -> bool:
        """Whether any of the scopes is one of theirs. `admin` may everything."""
        return "admin" in self.scopes or any(scope in self.scopes for scope in scopes)


# On loopback without tokens: whoever is on this machine.
ANYBODY_HERE = Caller("anybody on this machine", ("admin",))
