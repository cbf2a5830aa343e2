"""Inserts that tolerate rows already stored under the same key."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lpnet_service.db.rows import Base


def insert_ignoring(session: Session, row: type[Base], *key: str) -> Insert:
    """An insert that skips rows whose `key` is stored."""
    table = row.__table__
    assert isinstance(table, Table)
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return insert(table).on_conflict_do_nothing(index_elements=list(key))


def insert_or_replace(
    session: Session,
    row: type[Base],
    *key: str,
    when: Callable[[Any], ColumnElement[bool]],
    keep: Collection[str] = (),
) -> Insert:
    """An insert that replaces a row with the same `key` if `when(new row)` holds.

    Columns in `keep` stay if they are set; the primary key always stays.
    """
    table = row.__table__
    assert isinstance(table, Table)
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    statement: Any = (sqlite.insert if is_sqlite else postgresql.insert)(table)
    new = statement.excluded
    values = {
        column.name: func.coalesce(column, new[column.name])
        if column.name in keep
        else new[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in key
    }
    upsert: Insert = statement.on_conflict_do_update(
        index_elements=list(key), set_=values, where=when(new)
    )
    return upsert


def insert_if_new(session: Session, row: type[Base], values: dict[str, Any], *, key: str) -> bool:
    """Insert a row unless its `key` is stored; returns whether it was inserted."""
    statement = insert_ignoring(session, row, key).values(values)
    inserted = session.execute(statement.returning(statement.table.c[key]))
    return inserted.scalar() is not None
