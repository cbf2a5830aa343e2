"""Tokens: created, listed, revoked, recognised.

A secret has 256 random bits. Nobody can guess it, so its plain sha256 is stored; slow hashes are
for passwords, which people choose.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.schemas.token import Scope, Token
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import TokenRow
from lpnet_service.errors import DiskFull, SetupError, Unauthenticated
from lpnet_service.ids import new_id
from lpnet_service.repositories.tokens import TokenRepository
from lpnet_service.services.access.callers import Caller
from lpnet_service.services.shared.context import Context

MIN_SECRET_LENGTH = 32
_PREFIX = "lpnet_"
_TOUCH_AFTER_S = 60.0


@dataclass(frozen=True)
class TokenRequest:
    """A token to create; it expires after `lifetime` (None: never)."""

    name: str
    scopes: tuple[Scope, ...]
    device: str | None = None
    lifetime: timedelta | None = None
    requests_per_s: float | None = None
    max_body_mib: int | None = None


def new_secret() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@retried
def create(ctx: Context, request: TokenRequest, secret: str) -> tuple[Token, bool]:
    """Create a token with this secret; returns the token and whether it is new.

    Repeating it changes nothing. Raises SetupError for contradictory options, and for a name or
    secret of another token.
    """
    _check(request)
    now, digest = ctx.clock.now(), sha256(secret)
    with ctx.db.write() as session:
        tokens = TokenRepository(session)
        existing = tokens.find_by_sha256(digest)
        if existing is not None:
            return _require_same(existing, request, now), False
        if tokens.usable_by_name(request.name, now):
            raise SetupError(
                f"token {request.name!r} exists with another secret: revoke it first, or choose "
                "another --name"
            )
        row = TokenRow(
            id=new_id("token"),
            name=request.name,
            sha256=digest,
            scopes=_join(request.scopes),
            device=request.device,
            requests_per_s=request.requests_per_s,
            max_body_mib=request.max_body_mib,
            created_at=now,
            expires_at=None if request.lifetime is None else now + request.lifetime,
        )
        session.add(row)
        session.flush()
        return _token(row), True


def _check(request: TokenRequest) -> None:
    if not request.scopes:
        raise SetupError("--scope: a token needs at least one")
    if "agent" in request.scopes and len(set(request.scopes)) > 1:
        raise SetupError(
            "--scope agent cannot be combined with other scopes: create two tokens instead"
        )
    if ("agent" in request.scopes) != (request.device is not None):
        raise SetupError("--scope agent needs --device, and --device needs --scope agent")


def _require_same(row: TokenRow, request: TokenRequest, now: datetime) -> Token:
    """The token that has this secret. Raises SetupError if it is revoked, expired or differs from
    the request."""
    if row.revoked_at is not None:
        raise SetupError("this secret was revoked: write another one into the file")
    if row.expires_at is not None and row.expires_at <= now:
        raise SetupError("the token of this secret has expired: write another one into the file")
    scopes = _join(request.scopes)
    if (row.name, row.scopes, row.device) != (request.name, scopes, request.device):
        raise SetupError(
            f"this secret belongs to token {row.name!r} with scopes {row.scopes!r}: revoke it and "
            "write another one into the file"
        )
    return _token(row)


def _join(scopes: Sequence[Scope]) -> str:
    return " ".join(sorted(set(scopes)))


def _token(row: TokenRow) -> Token:
    names = ("id", "name", "device", "created_at", "expires_at", "revoked_at", "last_used_at")
    columns = {name: getattr(row, name) for name in (*names, "requests_per_s", "max_body_mib")}
    return Token.model_validate(columns | {"scopes": tuple(row.scopes.split())})


def list_tokens(ctx: Context) -> list[Token]:
    with ctx.db.read() as session:
        return [_token(row) for row in TokenRepository(session).all()]


@retried
def revoke(ctx: Context, id_or_name: str) -> list[Token]:
    """Revoke the tokens with that id or name, and end all sessions that they opened.

    Raises SetupError if there is none, or all are revoked already.
    """
    now = ctx.clock.now()
    with ctx.db.write() as session:
        tokens = TokenRepository(session)
        rows = tokens.lock_not_revoked(id_or_name)
        if not rows:
            raise SetupError(f"no token {id_or_name!r}, or it is revoked already")
        for row in rows:
            row.revoked_at = now
            tokens.delete_sessions(row.id)
        return [_token(row) for row in rows]


def any_usable(ctx: Context) -> bool:
    with ctx.db.read() as session:
        return TokenRepository(session).has_usable(ctx.clock.now())


def recognise(ctx: Context, secret: str) -> Caller:
    """The caller who has this secret. Raises Unauthenticated."""
    with ctx.db.read() as session:
        caller, row = authenticate(ctx, session, secret)
    note_use(ctx, row)
    return caller


def authenticate(ctx: Context, session: Session, secret: str) -> tuple[Caller, TokenRow]:
    row = TokenRepository(session).find_by_sha256(sha256(secret))
    if row is None:
        raise Unauthenticated("this token is not known here")
    return caller_of(row, ctx.clock.now()), row


def caller_of(row: TokenRow, now: datetime) -> Caller:
    """The caller who has this token. Raises Unauthenticated if it is revoked or expired."""
    if row.revoked_at is not None:
        raise Unauthenticated("this token was revoked")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated(f"this token expired at {row.expires_at:%Y-%m-%d %H:%M} UTC")
    token = _token(row)
    return Caller(
        name=token.name,
        scopes=token.scopes,
        token=token.id,
        device=token.device,
        expires_at=token.expires_at,
        requests_per_s=token.requests_per_s,
        max_body_mib=token.max_body_mib,
    )


@retried
def note_use(ctx: Context, row: TokenRow) -> None:
    """Store when a token was last used. The time is rounded to the minute, so that few requests
    write."""
    now = ctx.clock.now()
    if row.last_used_at is not None:
        age_s = abs((now - row.last_used_at).total_seconds())
        if age_s < _TOUCH_AFTER_S:
            return
    try:
        with ctx.db.write() as session:
            TokenRepository(session).touch(row.id, now)
    except DiskFull:
        # A full disk must not refuse callers who only read.
        return
