"""Migrates a database to the tables of this version of the service."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from lpnet_service.db.engine import Database
from lpnet_service.errors import SetupError

# Any number, but the same one in every version of the service.
_ADVISORY_LOCK = 7_302_007


def config(connection: Connection | None = None) -> Config:
    alembic = Config()
    alembic.set_main_option("script_location", str(files("lpnet_service.db") / "migrations"))
    if connection is not None:
        alembic.attributes["connection"] = connection
    return alembic


def migrate(database: Database) -> None:
    """Apply the missing migrations in one transaction. Processes that start at once take turns.

    Raises SetupError if the database cannot be opened, or was changed by a later version.
    """
    database.check_connection()
    with database.engine.begin() as connection:
        upgrade(connection)


def upgrade(connection: Connection) -> None:
    """Apply the missing migrations in the caller's transaction, locking out other processes.

    Raises SetupError if the database was changed by a later version.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})
    try:
        command.upgrade(config(connection), "head")
    except CommandError as error:
        raise SetupError(f"the database was made by another version of lpnet: {error}") from error


def head() -> str | None:
    return ScriptDirectory.from_config(config()).get_current_head()


def revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def is_current(database: Database) -> bool:
    with database.read() as session:
        return revision(session.connection()) == head()


def must_be_current(database: Database) -> None:
    """Raises SetupError if the database is not at the migration that this version needs."""
    database.check_connection()
    with database.snapshot() as connection:
        current = revision(connection)
    if current != head():
        raise SetupError(
            f"{database.setting}: {database.name} is at migration {current or 'none'}, but this "
            f"version of lpnet needs {head()}: run lpnet-service migrate"
        )
