"""Sessions of browsers: opened with a token, held by a cookie.

The secret of the cookie is random, and stored as its sha256 like that of a token. The proof
against cross-site requests is derived from it, so nothing more is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import SessionRow
from lpnet_service.errors import Unauthenticated
from lpnet_service.repositories.tokens import TokenRepository
from lpnet_service.services.access import tokens
from lpnet_service.services.access.callers import Caller
from lpnet_service.services.shared.context import Context


@retried
def open_session(ctx: Context, token: str) -> tuple[Caller, str, datetime]:
    """Open a session with a token. Returns the caller, the cookie's secret, and when the session
    ends.

    Raises Unauthenticated.
    """
    now, cookie = ctx.clock.now(), secrets.token_urlsafe(32)
    # Whoever has no token must not take the only write lock of SQLite.
    with ctx.db.read() as session:
        tokens.authenticate(ctx, session, token)
    with ctx.db.write() as session:
        caller, row = tokens.authenticate(ctx, session, token)
        expires_at = now + timedelta(hours=ctx.settings.session_h)
        if row.expires_at is not None:
            expires_at = min(expires_at, row.expires_at)
        TokenRepository(session).delete_expired_sessions(now)
        session.add(
            SessionRow(
                sha256=tokens.sha256(cookie), token=row.id, created_at=now, expires_at=expires_at
            )
        )
        TokenRepository(session).touch(row.id, now)
    return replace(caller, expires_at=expires_at, csrf=_csrf(cookie)), cookie, expires_at


def recognise(ctx: Context, cookie: str) -> Caller:
    """The caller who holds this cookie. Raises Unauthenticated if the session is over."""
    now = ctx.clock.now()
    with ctx.db.read() as session:
        rows = TokenRepository(session).find_session(tokens.sha256(cookie))
    if rows is None or rows[0].expires_at <= now:
        raise Unauthenticated("this session is over: log in again")
    browser_session, token = rows
    caller = tokens.caller_of(token, now)
    tokens.note_use(ctx, token)
    return replace(caller, expires_at=browser_session.expires_at, csrf=_csrf(cookie))


@retried
def end(ctx: Context, cookie: str) -> None:
    with ctx.db.write() as session:
        TokenRepository(session).delete_session(tokens.sha256(cookie))


def _csrf(cookie: str) -> str:
    return hmac.new(cookie.encode(), b"lpnet csrf", hashlib.sha256).hexdigest()
