"""The parameters of rows, in the metadata of a space file.

They have a key of their own, and are no part of the hash of a space. A file without the key is of
a space for which the op table has the right numbers, or of an older lpnet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lpnet.errors import FileFormatError
from lpnet.space.limits import MAX_NAME_LENGTH, MAX_NODES, MAX_PARAMETERS, MAX_TABLE, MAX_WIDTHS
from lpnet.space.metadata_errors import damaged
from lpnet.space.parameter_counts import RowParameters, Side
from lpnet.space.template import Template

KEY = "lpnet.parameters"
MAX_ENTRIES = 4 * MAX_NODES
_MAX_SIDES = 8

_Count = Annotated[int, Field(ge=0, le=MAX_PARAMETERS)]
_Name = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Side(_Strict):
    constant: _Count
    positions: Annotated[tuple[tuple[_Name, _Count], ...], Field(max_length=MAX_WIDTHS)] = ()


class _Entry(_Strict):
    row: Annotated[int, Field(ge=0, lt=MAX_NODES)]
    times: _Count
    sides: Annotated[tuple[_Side, ...], Field(max_length=_MAX_SIDES)] = ()


class _Entries(_Strict):
    entries: Annotated[tuple[_Entry, ...], Field(max_length=MAX_ENTRIES)]


def to_metadata(parameters: Sequence[RowParameters]) -> dict[str, str]:
    """The key with its value; nothing without parameters."""
    if not parameters:
        return {}
    entries = tuple(
        _Entry(
            row=entry.row,
            times=entry.times,
            sides=tuple(
                _Side(constant=side.constant, positions=side.positions) for side in entry.sides
            ),
        )
        for entry in parameters
    )
    return {KEY: _Entries(entries=entries).model_dump_json(exclude_defaults=True)}


def from_metadata(metadata: Mapping[str, str | bytes]) -> tuple[RowParameters, ...]:
    """The parameters of rows; () without the key. Raises FileFormatError, naming the field."""
    if KEY not in metadata:
        return ()
    try:
        entries = _Entries.model_validate_json(metadata[KEY]).entries
    except ValidationError as error:
        raise damaged(KEY, error) from error
    return tuple(
        RowParameters(
            entry.row,
            entry.times,
            tuple(Side(side.constant, side.positions) for side in entry.sides),
        )
        for entry in entries
    )


def check(parameters: Sequence[RowParameters], template: Template) -> None:
    """Raises FileFormatError for parameters of rows or widths that a template does not have."""
    rows, widths = len(template.graph.nodes), {width.name for width in template.widths}
    sides = {side for entry in parameters for side in entry.sides}
    names = {name for side in sides for name, _ in side.positions}
    if not all(entry.row < rows for entry in parameters) or not names <= widths:
        raise FileFormatError(f"the space file is damaged: {KEY} names no row or width of it")
    if len(sides) * len(widths) > 4 * MAX_TABLE:
        raise FileFormatError(f"the space file is damaged: {KEY} has {len(sides)} sides")
