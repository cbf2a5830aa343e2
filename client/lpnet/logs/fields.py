"""Fields that every log line of the current request or job carries.

structlog's own context variables are copied into a thread when it starts, so fields that an
endpoint binds in a thread would be missing from the line about its request. Here the thread shares
the dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_fields: ContextVar[dict[str, Any] | None] = ContextVar("lpnet_log_fields", default=None)


def reset(**fields: Any) -> None:
    """Start a new context in this task or thread, with only these fields."""
    _fields.set(_without_none(fields))


def bind(**fields: Any) -> None:
    """Add fields to the current context, for all of its threads.

    A field that is None is left out. Without a context, nothing happens.
    """
    context = _fields.get()
    if context is not None:
        context.update(_without_none(fields))


def current() -> dict[str, Any]:
    return dict(_fields.get() or {})


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """A context within the current one: its fields are added, and removed when it ends."""
    token = _fields.set(current() | _without_none(fields))
    try:
        yield
    finally:
        _fields.reset(token)


def merge_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """A structlog processor. The event's own fields take precedence."""
    return current() | dict(event)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
