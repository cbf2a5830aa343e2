"""Errors as problem documents (RFC 9457), and how the OpenAPI document lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from lpnet.logs import fields
from lpnet.schemas.problem import FieldError, Problem
from lpnet_service.db.outages import is_missing_reference, outage
from lpnet_service.errors import (
    BadRequest,
    Conflict,
    MethodNotAllowed,
    NotFound,
    NotReady,
    ServerFault,
    ServiceError,
    TooLarge,
)

MEDIA_TYPE = "application/problem+json"
_MAX_FIELD_ERRORS = 100
# Errors that the web framework raises by their status; others are BadRequest or ServerFault.
_BY_STATUS: dict[int, type[ServiceError]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
}
_DESCRIPTIONS = {
    400: "The request is malformed",
    401: "The request has no token, or one that is unknown, expired or revoked",
    403: "The token does not allow this",
    404: "There is nothing of that name or id",
    409: "The request contradicts what the service holds now",
    413: "The request is larger than the service accepts",
    422: "A value is wrong; `errors` names the fields",
    429: "The token has exceeded its request rate; `Retry-After` says when to try again",
    503: "The database is out of reach, or the files of LPNets cannot be read; `Retry-After` says "
    "when to try again",
    507: "The disk of the database is full",
}
_log = structlog.get_logger()

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The `responses` of an endpoint that answers with problems of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    app.add_exception_handler(ServiceError, _handle_service_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_error)
    app.add_exception_handler(SQLAlchemyError, _handle_database_error)
    app.add_exception_handler(Exception, _handle_unexpected_error)


def problem_response(error: ServiceError) -> Response:
    return _response(type(error), error.status, error.detail, error.errors, error.headers)


def _response(
    error: type[ServiceError],
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        title=error.title,
        status=status,
        code=error.code,
        detail=detail,
        errors=tuple(errors),
        request_id=fields.current().get("request_id") if status >= 500 else None,
    )
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, status, headers=headers, media_type=MEDIA_TYPE)


def _handle_service_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return problem_response(error)


def _handle_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    field_errors = [
        FieldError(field=_dotted_path(details["loc"]), reason=details["msg"])
        for details in error.errors()[:_MAX_FIELD_ERRORS]
    ]
    return problem_response(BadRequest("the request is not valid", field_errors))


def _dotted_path(location: Sequence[Any]) -> str:
    """`samples.3.latency_ms` of ("body", "samples", 3, "latency_ms")."""
    path = ".".join(str(part) for part in location[1:])
    # The name of an unknown field comes from the client and may hold lone surrogates.
    return path.encode("utf-8", "replace").decode()[:500] or str(location[0])


def _handle_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    default = BadRequest if status < 500 else ServerFault
    return _response(
        _BY_STATUS.get(status, default), status, str(error.detail), headers=error.headers
    )


def _handle_database_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SQLAlchemyError)
    if is_missing_reference(error):
        return problem_response(Conflict("what this refers to was deleted or is still used"))
    reason = outage(error)
    if reason is None:
        raise error
    _log.warning("database out of reach", reason=reason)
    return problem_response(
        NotReady("the database is out of reach; the log of the service says why")
    )


def _handle_unexpected_error(request: Request, error: Exception) -> Response:
    route = getattr(request.scope.get("route"), "path", None)
    _log.error("request failed", method=request.method, route=route, exc_info=error)
    return problem_response(ServerFault("the service failed; its log says why"))
