"""What keeps channels, in the metadata of a space file.

It has a key of its own, and is no part of the hash of a space. An lpnet that does not know the
key reads the files of plain networks all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lpnet.space.compiling import Frozen
from lpnet.space.limits import MAX_NAME_LENGTH, MAX_NODES, MAX_PARAMETERS
from lpnet.space.metadata_errors import damaged

KEY = "lpnet.frozen"
MAX_REASON_LENGTH = 1000
# A node may keep channels for several reasons.
MAX_PARTS = 4 * MAX_NODES

_Name = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]
# A channel has at least a weight.
_Channels = Annotated[int, Field(ge=0, le=MAX_PARAMETERS)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Part(_Strict):
    node: _Name
    op: _Name
    reason: Annotated[str, Field(max_length=MAX_REASON_LENGTH)]
    channels: _Channels
    layers: Annotated[tuple[_Name, ...], Field(max_length=MAX_NODES)] = ()


class _Parts(_Strict):
    """The frozen parts, and the output channels of all layers."""

    channels: _Channels
    parts: Annotated[tuple[_Part, ...], Field(max_length=MAX_PARTS)]

    @model_validator(mode="after")
    def _check(self) -> _Parts:
        frozen = sum(part.channels for part in self.parts)
        if frozen > self.channels:
            raise ValueError(f"{frozen} of {self.channels} channels are frozen")
        if len({(part.node, part.op, part.reason) for part in self.parts}) < len(self.parts):
            raise ValueError("two parts have the same node, op and reason")
        return self


def merged(frozen: Iterable[Frozen]) -> list[Frozen]:
    """What is frozen, in order; parts with the same node, op and reason are put together."""
    parts: dict[tuple[str, str, str], Frozen] = {}
    for part in frozen:
        key = (part.node, part.op, part.reason)
        if key in parts:
            layers = parts[key].layers
            # Layers that a pattern freezes have an entry each, which lists all of them.
            if part.layers != layers:
                layers = tuple(dict.fromkeys((*layers, *part.layers)))
            part = replace(part, channels=parts[key].channels + part.channels, layers=layers)
        parts[key] = part
    return list(parts.values())


def to_metadata(frozen: Sequence[Frozen], channels: int) -> dict[str, str]:
    """The key with its value; nothing for a space that does not know what is frozen.

    Texts are cut to the length that a file may hold.
    """
    if not (frozen or channels):
        return {}
    shortened = merged(map(_shortened, merged(frozen)))
    parts = tuple(_Part(**asdict(part)) for part in shortened)
    text = _Parts(channels=channels, parts=parts).model_dump_json(exclude_defaults=True)
    return {KEY: text}


def from_metadata(metadata: Mapping[str, str | bytes]) -> tuple[tuple[Frozen, ...], int]:
    """The frozen parts and the output channels of all layers; () and 0 without the key.

    Raises FileFormatError, naming the field.
    """
    if KEY not in metadata:
        return (), 0
    try:
        parts = _Parts.model_validate_json(metadata[KEY])
    except ValidationError as error:
        raise damaged(KEY, error) from error
    return tuple(Frozen(**part.model_dump()) for part in parts.parts), parts.channels


def _shortened(part: Frozen) -> Frozen:
    return replace(
        part,
        node=_text(part.node, MAX_NAME_LENGTH),
        op=_text(part.op, MAX_NAME_LENGTH),
        reason=_text(part.reason, MAX_REASON_LENGTH),
        layers=tuple(_text(layer, MAX_NAME_LENGTH) for layer in part.layers),
    )


def _text(text: str, max_length: int) -> str:
    # The reason may be the message of any error, so it may hold what is no UTF-8.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."
