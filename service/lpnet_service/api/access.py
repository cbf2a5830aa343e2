"""Who may call an endpoint: part of its signature.

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
_UNKNOWN_MIB = 1
_HOW = (
    "send one as `Authorization: Bearer ...`; the client, its commands and the agent take it from "
    "LPNET_TOKEN or from the file that LPNET_TOKEN_FILE names. `lpnet-service token create` makes "
    "one"
)


class Access:
    """Lets in callers with one of these scopes; with none given, whoever shows a good token.

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
    """Who sends a request: found out once, before its body is read, and counted as one request.

    Raises Unauthenticated, TooManyRequests; Forbidden for a browser's session without its proof
    against cross-site requests.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    context: Context = request.app.state.context
    caller = _recognised(context, request) if context.settings.tokens_required else LOCAL_CALLER
    if caller.token is not None:
        per_s = caller.requests_per_s or context.settings.requests_per_s
        wait_s = context.rate_limiter.acquire(caller.token, per_s, context.clock.now())
        if wait_s:
            raise TooManyRequests(per_s, wait_s)
        fields.bind(caller=caller.name)
    request.state.caller = caller
    return caller


def _recognised(context: Context, request: Request) -> Caller:
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated(f"the Authorization header names no token: {_HOW}")
        return tokens.recognise(context, secret.strip())
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise Unauthenticated(f"this needs a token: {_HOW}")
    caller = sessions.recognise(context, cookie)
    if request.method not in SAFE_METHODS:
        proof = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(proof.encode(), (caller.csrf or "").encode()):
            raise Forbidden(
                f"a browser's session has to send the header {CSRF_HEADER} with what changes "
                "something; GET /v1/session says its value"
            )
    return caller


def largest_body_mib(request: Request) -> int:
    """What the caller may send at once, MiB; who has shown no token may send little."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        return _UNKNOWN_MIB
    context: Context = request.app.state.context
    most = context.settings.max_body_mib
    return most if caller.max_body_mib is None else min(caller.max_body_mib, most)


def scopes_of(dependant: Any) -> tuple[Scope, ...] | None:
    """The scopes that an endpoint declares; None where it declares no access."""
    for inner in dependant.dependencies:
        if isinstance(inner.call, Access):
            return inner.call.scopes
    return None


Holder = Annotated[Caller, Depends(Access())]
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
