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

# From the start of clocks: a device without a battery begins there.
_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Wire(BaseModel):
    """A value on the wire: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a time zone, for example 2026-01-31T12:00:00Z")
    if not _FIRST <= value < _END:
        raise ValueError(f"must be between {_FIRST:%Y-%m-%d} and {_END:%Y-%m-%d}")
    return value.astimezone(UTC)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


Time = Annotated[datetime, AfterValidator(_utc)]
# 1 ns to 1 h.
Milliseconds = Annotated[float, Field(ge=1e-6, le=3.6e6), AfterValidator(_finite)]
# A reading of a device: it may be a difference of counters, and is stored as it is.
Reading = Annotated[float, Field(ge=-1e12, le=1e12)]
# Far from the largest integer of a column, so that adding to it stays within.
Count = Annotated[int, Field(ge=0, le=10**9)]
Batch = Annotated[int, Field(ge=1, le=100_000)]
Coverage = Annotated[float, Field(ge=0.01, le=0.9999)]
Name = Annotated[str, Field(pattern=TARGET_NAME)]
SpaceHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A space in a request: its content hash, or its name if no other space has it.
SpaceRef = Annotated[str, Field(min_length=1, max_length=500)]
Channels = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Side = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
# Each is bounded by its space.
Widths = dict[str, int]
