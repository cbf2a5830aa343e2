"""Errors as they travel: RFC 9457 problem documents."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Wire


class FieldError(Wire):
    field: str = Field(
        description="dotted path of the faulty field, for example samples.3.latency_ms"
    )
    reason: str


class Problem(Wire):
    """application/problem+json"""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(
        description="stable, for programs: not_found, invalid, lease_lost, not_covered"
    )
    detail: str = Field(description="for people")
    errors: tuple[FieldError, ...] = ()
