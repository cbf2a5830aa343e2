"""The metadata of a space file, as JSON; read strictly, since the sender is not trusted."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lpnet.schemas.base import MAX_CHANNELS
from lpnet.space.limits import MAX_NAME_LENGTH, MAX_NODES, MAX_SEGMENTS, MAX_WIDTHS

_Name = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]
_Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
_Row = Annotated[int, Field(ge=0, le=MAX_NODES)]
_Inner = Annotated[int, Field(ge=1, le=10**8)]
_Segment = tuple[_Name | None, _Channels, _Inner]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class MetaFormat(BaseModel):
    """Only the format number, which a file of a later format has too."""

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
    widths: Annotated[tuple[MetaWidth, ...], Field(max_length=MAX_WIDTHS)]
    blocks: Annotated[tuple[MetaBlock, ...], Field(max_length=MAX_NODES)]
    dims: dict[str, Annotated[tuple[_Segment, ...], Field(max_length=MAX_SEGMENTS)]]
