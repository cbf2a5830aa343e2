"""Copies all rows of one database into another, between any engines.

The source is read in one transaction that sees one state, and the destination is written in one
transaction: a copy is complete, or does not exist. Both may be in use meanwhile. Tables and their
order come from the metadata of the rows, so new tables are copied too.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, LargeBinary, Table, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from lpnet.progress import Progress, quiet
from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import head, must_be_current, revision, upgrade
from lpnet_service.db.rows import Base
from lpnet_service.errors import SetupError

Counts = dict[str, int]
_BATCH = 1000
# Tables with files of spaces and LPNets: some hundred kilobytes per row.
_BATCH_OF_FILES = 8


def copy(source: Database, destination: Database, progress: Progress = quiet) -> Counts:
    """Copy every table into an empty database; returns the rows of each table.

    Raises SetupError, and leaves the destination as it was, if the source is missing or not at the
    current migration, or if the destination is not empty, is at another migration, or cannot store
    a value of the source.
    """
    _must_exist(source)
    must_be_current(source)
    destination.check_connection()
    with source.snapshot() as reader, destination.engine.begin() as writer:
        _prepare(destination, writer)
        return {table.name: _copy_table(reader, writer, table, progress) for table in _tables()}


def counts(connection: Connection) -> Counts:
    return {table.name: _count(connection, table) for table in _tables()}


def _tables() -> list[Table]:
    return Base.metadata.sorted_tables


def _must_exist(source: Database) -> None:
    if source.is_sqlite and not Path(str(source.url.database)).is_file():
        # SQLite would create it.
        raise SetupError(f"{source.setting}: {source.name}: no such file")


def _prepare(destination: Database, connection: Connection) -> None:
    """Create the tables if there are none, and lock out other writers."""
    current = revision(connection)
    if (
        current is None
        and set(inspect(connection).get_table_names()) & Base.metadata.tables.keys()
    ):
        raise SetupError(
            f"{destination.setting}: {destination.name} has tables of another program"
        )
    if current not in (None, head()):
        raise SetupError(
            f"{destination.setting}: {destination.name} is at migration {current}, but this "
            f"version of lpnet needs {head()}: copy into a new database"
        )
    upgrade(connection)
    if not destination.is_sqlite:
        names = ", ".join(f'"{table.name}"' for table in _tables())
        connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    filled = [name for name, count in counts(connection).items() if count]
    if filled:
        raise SetupError(
            f"{destination.setting}: {destination.name} is not empty ({', '.join(filled)}): copy "
            "into a new database"
        )


def _copy_table(
    source: Connection, destination: Connection, table: Table, progress: Progress
) -> int:
    total, copied = _count(source, table), 0
    try:
        with closing(_batches(source, table)) as batches:
            for rows in batches:
                destination.execute(insert(table), rows)
                copied += len(rows)
                progress(table.name, copied, total)
        _set_sequence(destination, table)
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        raise SetupError(f"table {table.name}: {reason}; nothing was copied") from error
    stored = _count(destination, table)
    if not total == copied == stored:
        raise SetupError(
            f"table {table.name}: {total} rows, of which {copied} were read and {stored} stored; "
            "nothing was copied"
        )
    return copied


def _batches(source: Connection, table: Table) -> Generator[list[dict[str, object]], None, None]:
    has_files = any(isinstance(column.type, LargeBinary) for column in table.columns)
    query = select(table).order_by(*table.primary_key)
    size = _BATCH_OF_FILES if has_files else _BATCH
    with source.execution_options(yield_per=size).execute(query) as result:
        for rows in result.mappings().partitions():
            yield [dict(row) for row in rows]


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _set_sequence(connection: Connection, table: Table) -> None:
    """Make the numbers of new rows continue after the copied ones."""
    column = table.autoincrement_column
    # SQLite continues from the largest number by itself.
    if column is None or connection.dialect.name == "sqlite":
        return
    last = connection.scalar(select(func.max(column)))
    if last is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(select(func.setval(sequence, last)))
