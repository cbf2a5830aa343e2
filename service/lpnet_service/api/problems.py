"""Errors as problem documents (RFC 9457), and how the OpenAPI document lists them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lpnet.logs import fields
from lpnet.schemas.problem import FieldError, Problem
from lpnet_service.errors import ServiceError

MEDIA_TYPE = "application/problem+json"
_LISTED = 100
_CODES = {400: "invalid", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_MEANINGS = {
    400: "The request is malformed",
    401: "A token is needed, and this is none",
    403: "The token does not reach this",
    404: "There is no such thing",
    409: "The request contradicts what the service holds now",
    413: "The request is too large",
    422: "A value is wrong; `errors` names the fields",
    429: "More requests than the token may send; `Retry-After` says when to come back",
    503: "The service is not ready, or cannot reach the files of LPNets",
}
_log = structlog.get_logger()

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The `responses` of an endpoint that answers with problems of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(ServiceError, _of_service)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_fault)


def _answer(
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    problem = Problem(
        title=title,
        status=status,
        code=code,
        detail=detail,
        errors=tuple(errors),
        request_id=fields.known().get("request_id") if status >= 500 else None,
    )
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, status, headers=headers, media_type=MEDIA_TYPE)


def answer_of(error: ServiceError) -> Response:
    """The problem document of a refusal."""
    return _answer(
        error.status, error.code, error.title, error.detail, error.errors, error.headers
    )


def _of_service(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return answer_of(error)


def _of_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    listed = [
        FieldError(field=_path(fault["loc"]), reason=fault["msg"])
        for fault in error.errors()[:_LISTED]
    ]
    return _answer(422, "invalid", "Invalid request", "the request is not valid", listed)


def _path(place: Sequence[Any]) -> str:
    """`samples.3.latency_ms` of ("body", "samples", 3, "latency_ms")."""
    inner = [str(part) for part in place[1:]]
    # What a client sent may be in here: the name of an unknown field.
    return ".".join(inner).encode("utf-8", "replace").decode()[:500] or str(place[0])


def _of_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    title = HTTPStatus(status).phrase
    code = _CODES.get(status, "invalid" if status < 500 else "fault")
    headers = dict(error.headers) if error.headers else None
    return _answer(status, code, title, str(error.detail), (), headers)


def _of_fault(request: Request, error: Exception) -> Response:
    route = getattr(request.scope.get("route"), "path", None)
    _log.error("request failed", method=request.method, route=route, exc_info=error)
    detail = "the service failed; its log says why"
    return _answer(500, "fault", "The service failed", detail)
