"""Tokens and sessions, which authorise requests."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from lpnet.schemas.base import Name, Time, Wire

Scope = Literal["agent", "samples", "predict", "train", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Secret = Annotated[str, Field(min_length=1, max_length=500)]


class Token(Wire):
    """A token, without its secret, which the service does not keep."""

    id: str = Field(description="unique id")
    name: Name = Field(description="owner or purpose")
    scopes: tuple[Scope, ...] = Field(description="scopes")
    device: Name | None = Field(description="device of an agent's token; null: not of an agent")
    created_at: Time = Field(description="when it was created")
    expires_at: Time | None = Field(description="when it expires; null: never")
    revoked_at: Time | None = Field(description="when it was revoked; null: not revoked")
    last_used_at: Time | None = Field(description="last use, to a minute; null: never used")
    requests_per_s: float | None = Field(description="its own rate limit; null: the service's")
    max_body_mib: int | None = Field(description="its own body limit, MiB; null: the service's")


class NewSession(Wire):
    """Open a browser session with a token."""

    token: Secret = Field(description="secret of the token")


class SessionInfo(Wire):
    """The identity and the scopes of the caller."""

    name: str = Field(description="name of the token, or that the service needs no tokens")
    scopes: tuple[Scope, ...] = Field(description="scopes")
    device: Name | None = Field(description="device of an agent's token; null: not of an agent")
    expires_at: Time | None = Field(description="when the token or session expires; null: never")
    csrf: str | None = Field(
        description="value for the header X-CSRF-Token of requests that change data; null: not "
        "needed, since this is no browser session"
    )
    open: bool = Field(
        description="whether the service needs no tokens: any user of this machine has all scopes"
    )
