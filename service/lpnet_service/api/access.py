"""The scopes that an endpoint requires, as a part of its signature.

    def list_targets(ctx: Ctx, caller: Lister) -> TargetList: ...

docs/operate/security.md lists every endpoint with its scopes.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import Depends, Request

from lpnet.logs import fields
from lpnet.schemas.token import Scope
from lpnet_service.errors import Forbidden, TooManyRequests, Unauthenticated
from lpnet_service.services.access import sessions, tokens
from lpnet_service.services.access.callers import LOCAL_CALLER, Caller
from lpnet_service.services.shared.context import Context

COOKIE = "lpnet_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ANONYMOUS_MAX_MIB = 1
_HOW = (
    "send it as `Authorization: Bearer ...`; the client, its commands and the agent read it from "
    "LPNET_TOKEN or the file LPNET_TOKEN_FILE. `lpnet-service token create` creates a token"
)


class Access:
    """Requires a caller with at least one of these scopes; without scopes, any valid token.

    Raises Unauthenticated, TooManyRequests, Forbidden.
    """

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = scopes

    def __call__(self, request: Request) -> Caller:
        caller = identify(request)
        if self.scopes and not caller.has_any(*self.scopes):
            needed = " or ".join(self.scopes)
            raise Forbidden(
                f"this needs a token with scope {needed}; {caller.name!r} has "
                f"{', '.join(caller.scopes)}"
            )
        return caller


def identify(request: Request) -> Caller:
    """The sender of a request; identified and counted once, before the body is read.

    Raises Unauthenticated, TooManyRequests, and Forbidden for a browser session without the CSRF
    header.
    """
    identified: Caller | None = getattr(request.state, "caller", None)
    if identified is not None:
        return identified
    context: Context = request.app.state.context
    caller = _authenticate(context, request) if context.settings.tokens_required else LOCAL_CALLER
    if caller.token is not None:
        per_s = caller.requests_per_s or context.settings.requests_per_s
        wait_s = context.rate_limiter.acquire(caller.token, per_s, context.clock.now())
        if wait_s:
            raise TooManyRequests(per_s, wait_s)
        fields.bind(caller=caller.name)
    request.state.caller = caller
    return caller


def _authenticate(context: Context, request: Request) -> Caller:
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated(f"the Authorization header holds no token: {_HOW}")
        return tokens.recognise(context, secret.strip())
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise Unauthenticated(f"this needs a token: {_HOW}")
    caller = sessions.recognise(context, cookie)
    if request.method not in SAFE_METHODS:
        proof = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(proof.encode(), (caller.csrf or "").encode()):
            raise Forbidden(
                f"a browser session must send the header {CSRF_HEADER} with requests that change "
                "data; GET /v1/session returns its value"
            )
    return caller


def max_body_mib(request: Request) -> int:
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        return _ANONYMOUS_MAX_MIB
    context: Context = request.app.state.context
    limit_mib = context.settings.max_body_mib
    return limit_mib if caller.max_body_mib is None else min(caller.max_body_mib, limit_mib)


def scopes_of(dependant: Any) -> tuple[Scope, ...] | None:
    """The scopes that an endpoint requires; None if it needs no token."""
    for inner in dependant.dependencies:
        if isinstance(inner.call, Access):
            return inner.call.scopes
    return None


AnyCaller = Annotated[Caller, Depends(Access())]
Lister = Annotated[Caller, Depends(Access("samples", "predict", "train"))]
TargetReader = Annotated[Caller, Depends(Access("samples", "predict", "train", "agent"))]
Reader = Annotated[Caller, Depends(Access("predict"))]
ResultReader = Annotated[Caller, Depends(Access("predict", "train"))]
Trainer = Annotated[Caller, Depends(Access("train"))]
Uploader = Annotated[Caller, Depends(Access("train", "samples"))]
FileReader = Annotated[Caller, Depends(Access("predict", "train", "agent"))]
Deliverer = Annotated[Caller, Depends(Access("samples", "agent"))]
DeviceAgent = Annotated[Caller, Depends(Access("agent"))]
Scraper = Annotated[Caller, Depends(Access("metrics"))]
