"""Errors on the wire: RFC 9457 problem documents."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Wire


class FieldError(Wire):
    """A wrong field of a request."""

    field: str = Field(description="dotted path of the field, for example samples.3.latency_ms")
    reason: str = Field(description="what is wrong")


class Problem(Wire):
    """application/problem+json"""

    type: str = Field(default="about:blank", description="URI of the kind of problem")
    title: str = Field(description="the kind of problem, for people")
    status: int = Field(description="HTTP status")
    code: str = Field(
        description="the kind of problem, stable, for programs: not_found, bad_request, "
        "lease_lost, not_covered, does_not_fit, unauthenticated, forbidden, too_many_requests"
    )
    detail: str = Field(description="explanation for people")
    errors: tuple[FieldError, ...] = Field(default=(), description="the wrong fields")
    request_id: str | None = Field(
        default=None, description="id of the request in the service's log; only for a 5xx"
    )
