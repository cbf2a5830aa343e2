"""What callers hand in, as what the service takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote

from pydantic import ValidationError

from lpnet.errors import LpnetError, WidthsError


class Listed(Protocol):
    """A tensor or an array."""

    def tolist(self) -> Any: ...


WidthsLike = Mapping[str, int] | Sequence[float] | Listed


def segment(name: str) -> str:
    """A name as one segment of a path, whatever stands in it."""
    return quote(name, safe="")


def vectors(widths: Any) -> list[Any]:
    """One width vector or several, as several; tensors and arrays become lists.

    Raises WidthsError for what is neither.
    """
    plain = widths.tolist() if hasattr(widths, "tolist") else widths
    if isinstance(plain, Mapping):
        return [plain]
    if isinstance(plain, str) or not isinstance(plain, Sequence) or not plain:
        raise WidthsError(f"widths are an object by name or a list of channels, not {widths!r}")
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in plain]
    if all(isinstance(row, Mapping | list | tuple) for row in rows):
        return rows
    return [rows]


@contextmanager
def asking() -> Iterator[None]:
    """Turns a wrong value in a request into an lpnet error that names the field."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        text = f"{place or 'request'}: {first['msg']}"
        if place.startswith("widths") or ".widths" in place:
            raise WidthsError(text) from None
        raise LpnetError(text) from None
