"""Browser sessions, opened with a token and kept in a cookie."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from lpnet.schemas.token import NewSession, SessionInfo
from lpnet_service.api.access import COOKIE, AnyCaller
from lpnet_service.api.deps import Ctx, StrictRoute
from lpnet_service.api.problems import problems
from lpnet_service.services.access import sessions
from lpnet_service.services.access.callers import Caller
from lpnet_service.settings import Settings

router = APIRouter(prefix="/v1/session", tags=["session"], route_class=StrictRoute)


@router.post("", status_code=201, responses=problems(401, 403, 413, 422))
def open_session(ctx: Ctx, new: NewSession, request: Request, response: Response) -> SessionInfo:
    """Log in with a token; the answer sets a cookie that scripts cannot read."""
    caller, cookie, ends = sessions.open_session(ctx, new.token)
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
def get_session(ctx: Ctx, caller: AnyCaller, response: Response) -> SessionInfo:
    """The identity and the scopes of the caller."""
    return _session(caller, ctx.settings, response)


@router.delete("", status_code=204)
def end_session(ctx: Ctx, caller: AnyCaller, request: Request, response: Response) -> None:
    """Log out; copies of the cookie become invalid too."""
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
