"""Sessions of browsers: opened by a token, held by a cookie.

The cookie's secret is random and kept as its sha256, like a token's. What has to be sent against
cross-site requests is derived from it, so nothing else is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from lpnet_service.db.rows import SessionRow
from lpnet_service.errors import Unauthenticated
from lpnet_service.repositories.tokens import TokenRepository
from lpnet_service.services.access import tokens
from lpnet_service.services.access.callers import Caller
from lpnet_service.services.shared.context import Context


def open_session(ctx: Context, token: str) -> tuple[Caller, str, datetime]:
    """A session for whoever shows a token: who it is, the cookie's secret, and when it ends.

    Unauthenticated where nobody is known by that token.
    """
    now, cookie = ctx.clock.now(), secrets.token_urlsafe(32)
    with ctx.db.write() as session:
        caller, row = tokens.found(ctx, session, token)
        ends = now + timedelta(hours=ctx.settings.session_h)
        if row.expires_at is not None:
            ends = min(ends, row.expires_at)
        TokenRepository(session).delete_expired_sessions(now)
        session.add(
            SessionRow(sha256=tokens.sha256(cookie), token=row.id, created_at=now, expires_at=ends)
        )
        TokenRepository(session).touch(row.id, now)
    return replace(caller, expires_at=ends, csrf=_csrf(cookie)), cookie, ends


def recognise(ctx: Context, cookie: str) -> Caller:
    """Who holds this cookie. Unauthenticated where its session is over."""
    now = ctx.clock.now()
    with ctx.db.read() as session:
        found = TokenRepository(session).find_session(tokens.sha256(cookie))
    if found is None or found[0].expires_at <= now:
        raise Unauthenticated("this session is over: log in again")
    held, row = found
    caller = tokens.caller_of(row, now)
    tokens.note_use(ctx, row)
    return replace(caller, expires_at=held.expires_at, csrf=_csrf(cookie))


def end(ctx: Context, cookie: str) -> None:
    """End a session. Ending it again is harmless."""
    with ctx.db.write() as session:
        TokenRepository(session).delete_session(tokens.sha256(cookie))


def _csrf(cookie: str) -> str:
    return hmac.new(cookie.encode(), b"lpnet csrf", hashlib.sha256).hexdigest()
