"""Health of the service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Wire


class Health(Wire):
    """The service is up."""

    status: Literal["ok"] = Field(description="always ok; anything else is a problem document")
