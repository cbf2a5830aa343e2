"""Everything from one database into another, whatever the engine of each.

The source is read in one transaction that sees one state, the destination is written in one: a
copy is whole or not there at all, and both may be in use meanwhile. Tables and their order come
from the rows' own metadata, so that a table that is added to them is copied too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, LargeBinary, Table, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import head, must_be_current, revision, upgrade
from lpnet_service.db.rows import Base
from lpnet_service.errors import SetupError

Counts = dict[str, int]
# Called with a table, the rows of it that are copied, and how many there are.
Said = Callable[[str, int, int], None]
_BATCH = 1000
# Files of spaces and LPNets are some hundred kilobytes each, and held in memory together.
_BATCH_OF_FILES = 8


def copy(source: Database, destination: Database, said: Said = lambda *_: None) -> Counts:
    """Copy every table into a database that is empty, or has no tables yet; rows by table.

    Raises SetupError, and leaves the destination as it was, where the source is missing or is not
    at the migration that this version needs, where the destination holds anything or is at another
    migration, and where it cannot take what the source holds.
    """
    _must_exist(source)
    must_be_current(source)
    destination.reach()
    with source.snapshot() as given, destination.engine.begin() as taken:
        _make_ready(destination, taken)
        return {table.name: _table(given, taken, table, said) for table in _tables()}


def counts(connection: Connection) -> Counts:
    """Rows of every table."""
    return {table.name: _count(connection, table) for table in _tables()}


def _tables() -> list[Table]:
    """Every table, behind those that it refers to."""
    return Base.metadata.sorted_tables


def _must_exist(source: Database) -> None:
    if source.is_sqlite and not Path(str(source.url.database)).is_file():
        # SQLite would make it.
        raise SetupError(f"{source.setting}: {source.name}: there is no such file")


def _make_ready(destination: Database, connection: Connection) -> None:
    """Give a database without tables those of this version, and keep other writers out of it."""
    found = revision(connection)
    if found is None and set(inspect(connection).get_table_names()) & Base.metadata.tables.keys():
        raise SetupError(f"{destination.setting}: {destination.name} has tables of something else")
    if found not in (None, head()):
        raise SetupError(
            f"{destination.setting}: {destination.name} is at migration {found}, this version of "
            f"lpnet at {head()}: copy into a new database"
        )
    upgrade(connection)
    if not destination.is_sqlite:
        names = ", ".join(f'"{table.name}"' for table in _tables())
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    held = [name for name, count in counts(connection).items() if count]
    if held:
        raise SetupError(
            f"{destination.setting}: {destination.name} is not empty ({', '.join(held)}): copy "
            "into a new database"
        )


def _table(source: Connection, destination: Connection, table: Table, said: Said) -> int:
    total, copied = _count(source, table), 0
    try:
        with closing(_batches(source, table)) as batches:
            for rows in batches:
                destination.execute(insert(table), rows)
                copied += len(rows)
                said(table.name, copied, total)
        _number_on(destination, table)
    except DBAPIError as error:
        why = str(error.orig).partition("\n")[0]
        raise SetupError(f"table {table.name}: {why}; nothing was copied") from error
    there = _count(destination, table)
    if not total == copied == there:
        raise SetupError(
            f"table {table.name}: {total} rows, of which {copied} were read and {there} arrived; "
            "nothing was copied"
        )
    return copied


def _batches(source: Connection, table: Table) -> Generator[list[dict[str, object]], None, None]:
    files = any(isinstance(column.type, LargeBinary) for column in table.columns)
    query = select(table).order_by(*table.primary_key)
    most = _BATCH_OF_FILES if files else _BATCH
    with source.execution_options(yield_per=most).execute(query) as found:
        for rows in found.mappings().partitions():
            yield [dict(row) for row in rows]


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _number_on(connection: Connection, table: Table) -> None:
    """Rows that are added later get numbers behind those that were copied."""
    column = table.autoincrement_column
    # SQLite counts on from the largest by itself.
    if column is None or connection.dialect.name == "sqlite":
        return
    last = connection.scalar(select(func.max(column)))
    if last is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(select(func.setval(sequence, last)))
