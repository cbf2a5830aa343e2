"""What a space file says beside its graph, as JSON: read strictly, it may come from anybody."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lpnet.schemas.base import MAX_CHANNELS
from lpnet.space.limits import LONGEST_NAME, MOST_NODES, MOST_SEGMENTS, MOST_WIDTHS

_Name = Annotated[str, Field(max_length=LONGEST_NAME)]
_Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
_Row = Annotated[int, Field(ge=0, le=MOST_NODES)]
_Inner = Annotated[int, Field(ge=1, le=10**8)]
_Segment = tuple[_Name | None, _Channels, _Inner]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class MetaFormat(BaseModel):
    """The format alone, of a file that may be of a later one."""

    format: int


class MetaWidth(_Strict):
    name: _Name
    max: _Channels
    granule: _Channels


class MetaBlock(_Strict):
    name: _Name
    start: _Row
    stop: _Row


class Meta(_Strict):
    """Widths, blocks, and the segments that each symbolic dimension stands for."""

    format: int
    name: _Name
    batch: Annotated[int, Field(ge=1, le=10**9)]
    hash: Annotated[str, Field(max_length=64)]
    widths: Annotated[tuple[MetaWidth, ...], Field(max_length=MOST_WIDTHS)]
    blocks: Annotated[tuple[MetaBlock, ...], Field(max_length=MOST_NODES)]
    dims: dict[str, Annotated[tuple[_Segment, ...], Field(max_length=MOST_SEGMENTS)]]
