"""What is known of the work at hand: fields that every line about it carries.

structlog's own context variables are copied into a thread as it starts, so that what an endpoint
learns in a thread would not reach the line that is written of its request. Here the thread gets
the same dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_fields: ContextVar[dict[str, Any] | None] = ContextVar("lpnet_log_fields", default=None)


def begin(**known: Any) -> None:
    """A new piece of work starts in this task or thread; what was known before is forgotten."""
    _fields.set(_given(known))


def know(**learned: Any) -> None:
    """Add fields to the further lines of the work at hand, whichever thread writes them.

    None is left out. Nothing happens outside a piece of work.
    """
    fields = _fields.get()
    if fields is not None:
        fields.update(_given(learned))


def known() -> dict[str, Any]:
    """The fields of the work at hand."""
    return dict(_fields.get() or {})


@contextmanager
def work(**known_: Any) -> Iterator[None]:
    """A piece of work within another: its fields are added, and gone when it ends."""
    token = _fields.set(known() | _given(known_))
    try:
        yield
    finally:
        _fields.reset(token)


def merged(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """A processor of structlog: the fields of the work at hand, unless the line has its own."""
    return known() | dict(event)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
