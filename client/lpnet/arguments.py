"""Arguments of the client in the form that the service accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote

from pydantic import ValidationError

from lpnet.errors import LpnetError, WidthsError


class ArrayLike(Protocol):
    """A tensor or an array."""

    def tolist(self) -> Any: ...


WidthsLike = Mapping[str, int] | Sequence[float] | ArrayLike


def path_segment(name: str) -> str:
    return quote(name, safe="")


def width_vectors(widths: Any) -> list[Any]:
    """A list of width vectors, from a vector or several; tensors and arrays become lists.

    Raises WidthsError for anything else.
    """
    plain = widths.tolist() if hasattr(widths, "tolist") else widths
    if isinstance(plain, Mapping):
        return [plain]
    if isinstance(plain, str) or not isinstance(plain, Sequence) or not plain:
        raise WidthsError(
            f"widths must be an object by name or a list of channels, got {widths!r}"
        )
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in plain]
    if all(isinstance(row, Mapping | list | tuple) for row in rows):
        return rows
    return [rows]


@contextmanager
def translate_validation_errors() -> Iterator[None]:
    """Raise LpnetError or WidthsError, naming the field, for a wrong value in a request."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"{field or 'request'}: {first['msg']}"
        if field.startswith("widths") or ".widths" in field:
            raise WidthsError(message) from None
        raise LpnetError(message) from None
