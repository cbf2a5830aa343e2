"""Width vectors in requests: an object by name, or a list in the order of the space."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from lpnet.schemas.base import Widths

_SHAPE = "must be an object of channels by name, or a list of numbers"


def _check_vector(value: Any) -> Any:
    """Name what is wrong in one sentence, instead of once for each type of the union."""
    if isinstance(value, dict):
        for name, channels in value.items():
            if not _is_number(channels) or channels % 1 != 0:
                message = f"{str(name)[:100]!r} must be a whole number of channels"
                raise _error(message)
    elif isinstance(value, list | tuple):
        for index, channels in enumerate(value):
            if not _is_number(channels):
                raise _error(f"value {index} must be a number of channels")
    else:
        raise _error(_SHAPE)
    return value


def _check_vectors(value: Any) -> Any:
    is_vector = isinstance(value, dict) or (
        isinstance(value, list | tuple) and any(_is_number(entry) for entry in value)
    )
    if is_vector:
        raise _error("must be a list of width vectors; put this vector into a list: [...]")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _error(message: str) -> PydanticCustomError:
    return PydanticCustomError("widths", "{message}", {"message": message})


Vector = Annotated[Widths | tuple[float, ...], BeforeValidator(_check_vector)]
Vectors = Annotated[tuple[Vector, ...], BeforeValidator(_check_vectors)]
