"""Tells a database that cannot be used now from a fault of the service."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)

_UNDEFINED_TABLE = "42P01"
_FOREIGN_KEY = "23503"
_NO_TABLES = "its tables are missing: run lpnet-service migrate"


def outage(error: SQLAlchemyError) -> str | None:
    """Why the database cannot be used now, in a line; None for any other error."""
    if isinstance(error, TimeoutError):
        return "all of its connections are in use"
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_outage(error.orig)
    if getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE:
        return _NO_TABLES
    away = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return _first_line(error.orig) if away else None


def _sqlite_outage(error: sqlite3.Error) -> str | None:
    reason = _first_line(error)
    if reason.startswith("no such table"):
        return _NO_TABLES
    # SQLITE_ERROR is a mistake in a statement.
    is_mistake = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return reason if isinstance(error, sqlite3.OperationalError) and not is_mistake else None


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0]


def is_missing_reference(error: SQLAlchemyError) -> bool:
    """Whether a row refers to another one that was deleted meanwhile."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    is_foreign_key = code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
    return is_foreign_key or getattr(error.orig, "sqlstate", None) == _FOREIGN_KEY
