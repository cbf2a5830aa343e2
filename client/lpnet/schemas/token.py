"""Tokens: who may do what."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from lpnet.schemas.base import Name, Time, Wire

Scope = Literal["agent", "samples", "predict", "train", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Secret = Annotated[str, Field(min_length=1, max_length=500)]


class Token(Wire):
    """A token, without its secret: nobody can read that again."""

    id: str = Field(description="unique id")
    name: Name = Field(description="whose it is, or what it is for")
    scopes: tuple[Scope, ...] = Field(description="what it allows")
    device: Name | None = Field(description="the one device of an agent's token; null: no agent's")
    created_at: Time = Field(description="when it was made")
    expires_at: Time | None = Field(description="when it ends; null: never")
    revoked_at: Time | None = Field(description="when it was revoked; null: it was not")
    last_used_at: Time | None = Field(description="last use, to a minute; null: never used")
    requests_per_s: float | None = Field(description="its own rate limit; null: the service's")
    max_body_mib: int | None = Field(description="its own body limit, MiB; null: the service's")


class NewSession(Wire):
    """Open a session of a browser by a token."""

    token: Secret = Field(description="the secret, as it was shown when the token was made")


class Session(Wire):
    """Who somebody is to the service, and what they may do."""

    name: str = Field(description="name of the token; of an open service, that it is open")
    scopes: tuple[Scope, ...] = Field(description="what is allowed")
    device: Name | None = Field(description="the one device of an agent's token; null: no agent's")
    expires_at: Time | None = Field(description="when token or session ends; null: never")
    csrf: str | None = Field(
        description="to be sent as X-CSRF-Token with whatever changes something; null: no session "
        "of a browser, so not needed"
    )
    open: bool = Field(
        description="no tokens are asked for: whoever is on this machine may do everything"
    )
