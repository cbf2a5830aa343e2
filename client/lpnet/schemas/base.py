"""Base class and field types of the wire schemas."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

TARGET_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
MAX_CHANNELS = 1_000_000
# Channels and pixels of a tensor may be merged with other axes.
MAX_SIZE = 100_000_000


class Wire(BaseModel):
    """A value on the wire: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a time zone, for example 2026-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this time has no equivalent in UTC") from error


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


Time = Annotated[datetime, AfterValidator(_utc)]
Milliseconds = Annotated[float, Field(gt=0, le=1e9), AfterValidator(_finite)]
Name = Annotated[str, Field(pattern=TARGET_NAME)]
SpaceHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A space in a request: its content hash, or its name if no other space has it.
SpaceRef = Annotated[str, Field(min_length=1, max_length=500)]
Channels = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Side = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Widths = dict[str, int]
