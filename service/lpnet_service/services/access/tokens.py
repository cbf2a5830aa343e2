"""Tokens: made, listed, revoked, recognised.

A secret has 256 random bits, so nobody guesses one, and a plain sha256 of it is all that has to be
kept: slow hashes are for passwords, which people choose.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lpnet.schemas.token import Scope, Token
from lpnet_service.db.rows import TokenRow
from lpnet_service.errors import DiskFull, SetupError, Unauthenticated
from lpnet_service.ids import new_id
from lpnet_service.repositories.tokens import TokenRepository
from lpnet_service.services.access.callers import Caller
from lpnet_service.services.shared.context import Context

MIN_SECRET_LENGTH = 32
_PREFIX = "lpnet_"
_USE_NOTED_S = 60.0


@dataclass(frozen=True)
class TokenRequest:
    """A token that is to be made. `lasts` is how long; None: for ever."""

    name: str
    scopes: tuple[Scope, ...]
    device: str | None = None
    lasts: timedelta | None = None
    requests_per_s: float | None = None
    max_body_mib: int | None = None


def new_secret() -> str:
    """A secret with 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def sha256(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create(ctx: Context, wish: TokenRequest, secret: str) -> tuple[Token, bool]:
    """Make a token of a secret; it, and whether it is new: repeating it changes nothing.

    Raises SetupError for a wish that contradicts itself, and for a name or a secret that another
    token has.
    """
    _check(wish)
    now, digest = ctx.clock.now(), sha256(secret)
    with ctx.db.write() as session:
        known = TokenRepository(session).find_by_sha256(digest)
        if known is not None:
            return _same(known, wish, now), False
        if TokenRepository(session).usable_by_name(wish.name, now):
            raise SetupError(
                f"there is a token {wish.name!r} with another secret: revoke it first, or choose "
                "another --name"
            )
        row = TokenRow(
            id=new_id("token"),
            name=wish.name,
            sha256=digest,
            scopes=_text(wish.scopes),
            device=wish.device,
            requests_per_s=wish.requests_per_s,
            max_body_mib=wish.max_body_mib,
            created_at=now,
            expires_at=None if wish.lasts is None else now + wish.lasts,
        )
        session.add(row)
        session.flush()
        return wire(row), True


def _check(wish: TokenRequest) -> None:
    if not wish.scopes:
        raise SetupError("--scope: a token needs one at least")
    if "agent" in wish.scopes and len(set(wish.scopes)) > 1:
        raise SetupError("--scope agent: such a token has no other scope; make two")
    if ("agent" in wish.scopes) != (wish.device is not None):
        raise SetupError("--device goes with --scope agent: a token of the agent of one device")


def _same(row: TokenRow, wish: TokenRequest, now: datetime) -> Token:
    """The token that has this secret, where it is the one that is wished for."""
    if row.revoked_at is not None:
        raise SetupError("this secret was revoked: write another one into the file")
    if row.expires_at is not None and row.expires_at <= now:
        raise SetupError("the token of this secret has expired: write another one into the file")
    if (row.name, row.scopes, row.device) != (wish.name, _text(wish.scopes), wish.device):
        raise SetupError(
            f"this secret is that of token {row.name!r} with scopes {row.scopes!r}: revoke it and "
            "write another one into the file"
        )
    return wire(row)


def _text(scopes: Sequence[Scope]) -> str:
    return " ".join(sorted(set(scopes)))


def wire(row: TokenRow) -> Token:
    """A token as it travels: without its secret, of which nothing can be read."""
    names = ("id", "name", "device", "created_at", "expires_at", "revoked_at", "last_used_at")
    fields = {name: getattr(row, name) for name in (*names, "requests_per_s", "max_body_mib")}
    return Token.model_validate(fields | {"scopes": tuple(row.scopes.split())})


def list_tokens(ctx: Context) -> list[Token]:
    """Every token, oldest first, those that are over too."""
    with ctx.db.read() as session:
        return [wire(row) for row in TokenRepository(session).all()]


def revoke(ctx: Context, id_or_name: str) -> list[Token]:
    """End the tokens of that id or name, and every session that they opened. SetupError where
    there is none that could be ended."""
    now = ctx.clock.now()
    with ctx.db.write() as session:
        rows = TokenRepository(session).lock_not_revoked(id_or_name)
        if not rows:
            raise SetupError(f"there is no token {id_or_name!r} that is not revoked already")
        for row in rows:
            row.revoked_at = now
            TokenRepository(session).delete_sessions(row.id)
        return [wire(row) for row in rows]


def any_usable(ctx: Context) -> bool:
    """Whether there is a token that lets anybody in."""
    with ctx.db.read() as session:
        return TokenRepository(session).has_usable(ctx.clock.now())


def recognise(ctx: Context, secret: str) -> Caller:
    """Who shows this secret. Unauthenticated where nobody is known by it, or no more."""
    with ctx.db.read() as session:
        caller, row = authenticate(ctx, session, secret)
    note_use(ctx, row)
    return caller


def authenticate(ctx: Context, session: Session, secret: str) -> tuple[Caller, TokenRow]:
    """The caller of a secret, and the token. Unauthenticated."""
    row = TokenRepository(session).find_by_sha256(sha256(secret))
    if row is None:
        raise Unauthenticated("this token is not known here")
    return caller_of(row, ctx.clock.now()), row


def caller_of(row: TokenRow, now: datetime) -> Caller:
    """Who a token lets in. Unauthenticated where it is over."""
    if row.revoked_at is not None:
        raise Unauthenticated("this token was revoked")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated(f"this token expired at {row.expires_at:%Y-%m-%d %H:%M} UTC")
    token = wire(row)
    return Caller(
        name=token.name,
        scopes=token.scopes,
        token=token.id,
        device=token.device,
        expires_at=token.expires_at,
        requests_per_s=token.requests_per_s,
        max_body_mib=token.max_body_mib,
    )


def note_use(ctx: Context, row: TokenRow) -> None:
    """Keep when a token was used last, to a minute: not every request is to write."""
    now = ctx.clock.now()
    if row.last_used_at is not None and abs((now - row.last_used_at).total_seconds()) < (
        _USE_NOTED_S
    ):
        return
    try:
        with ctx.db.write() as session:
            TokenRepository(session).touch(row.id, now)
    except DiskFull:
        # Whoever only reads is served from a full disk too.
        return
