"""Statements that any row needs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lpnet_service.db.rows import Base


def insert_ignoring(session: Session, row: type[Base], *key: str) -> Insert:
    """An insert that leaves alone what is stored already under the same `key`."""
    table = row.__table__
    assert isinstance(table, Table)
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing(index_elements=list(key))


def insert_if_new(session: Session, row: type[Base], values: dict[str, Any], *, key: str) -> bool:
    """Insert one row unless its `key` is stored already; whether it was new."""
    statement = insert_ignoring(session, row, key).values(values)
    done = session.execute(statement.returning(statement.table.c[key]))
    return done.scalar() is not None
