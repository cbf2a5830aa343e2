"""Sessions of browsers: opened by a token, held by a cookie."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from lpnet.schemas.token import NewSession, SessionInfo
from lpnet_service.api.access import COOKIE, Holder
from lpnet_service.api.deps import Ctx, StrictRoute
from lpnet_service.api.problems import problems
from lpnet_service.services.access import sessions
from lpnet_service.services.access.callers import Caller
from lpnet_service.settings import Settings

router = APIRouter(prefix="/v1/session", tags=["session"], route_class=StrictRoute)


@router.post("", status_code=201, responses=problems(401, 403, 413, 422))
def open_session(ctx: Ctx, said: NewSession, request: Request, response: Response) -> SessionInfo:
    """Log in a browser by a token: the answer sets a cookie that no script can read."""
    caller, cookie, ends = sessions.open_session(ctx, said.token)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int((ends - ctx.clock.now()).total_seconds()),
        secure=ctx.settings.secure_cookies or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return _session(caller, ctx.settings, response)


@router.get("")
def get_session(ctx: Ctx, caller: Holder, response: Response) -> SessionInfo:
    """Who the caller is, and what they may do, by token or session."""
    return _session(caller, ctx.settings, response)


@router.delete("", status_code=204)
def end_session(ctx: Ctx, caller: Holder, request: Request, response: Response) -> None:
    """Log out: the session is over, whoever has a copy of its cookie."""
    cookie = request.cookies.get(COOKIE)
    if cookie is not None and caller.csrf is not None:
        sessions.end(ctx, cookie)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _session(caller: Caller, settings: Settings, response: Response) -> SessionInfo:
    response.headers["Cache-Control"] = "no-store"
    return SessionInfo(
        name=caller.name,
        scopes=caller.scopes,
        device=caller.device,
        expires_at=caller.expires_at,
        csrf=caller.csrf,
        open=not settings.tokens_required,
    )
