"""Repeating a transaction that Postgres ended in favour of another."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

_P = ParamSpec("_P")
_R = TypeVar("_R")
# Serialization failure, deadlock.
_ENDED = frozenset({"40001", "40P01"})
_log = structlog.get_logger()


def retried(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Call a function again, once, if a deadlock or a serialization failure ended its transaction.

    The function must be harmless to repeat: it writes in a single transaction, or the
    transactions before the last one may be written twice.
    """

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _ENDED:
                raise
            _log.info("transaction repeated", function=function.__name__, reason=str(error.orig))
        return function(*args, **kwargs)

    return call
