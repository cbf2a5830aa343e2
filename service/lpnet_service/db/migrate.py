"""Bringing a database to the tables that this version of the service needs."""

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

# Any number will do, as long as every version of the service takes the same.
_ADVISORY_LOCK = 7_302_007


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; the migrations travel with the package."""
    found = Config()
    found.set_main_option("script_location", str(files("lpnet_service.db") / "migrations"))
    if connection is not None:
        found.attributes["connection"] = connection
    return found


def migrate(database: Database) -> None:
    """Apply what is missing, in one transaction. Processes that start at once take turns.

    Raises SetupError for a database that cannot be opened, or that a later version has changed.
    """
    database.reach()
    with database.engine.begin() as connection:
        upgrade(connection)


def upgrade(connection: Connection) -> None:
    """The same in the caller's transaction. Processes that are at it take turns until that ends.

    Raises SetupError for a database that a later version has changed.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})
    try:
        command.upgrade(config(connection), "head")
    except CommandError as error:
        raise SetupError(f"the database was made by another version of lpnet: {error}") from error


def head() -> str | None:
    """The revision that this version of the service needs."""
    return ScriptDirectory.from_config(config()).get_current_head()


def revision(connection: Connection) -> str | None:
    """The revision that a database is at; None for one without tables."""
    return MigrationContext.configure(connection).get_current_revision()


def is_current(database: Database) -> bool:
    """Whether every migration has been applied."""
    with database.read() as session:
        return revision(session.connection()) == head()


def must_be_current(database: Database) -> None:
    """Raises SetupError for a database that is not at the migration that this version needs."""
    database.reach()
    with database.snapshot() as connection:
        found = revision(connection)
    if found != head():
        raise SetupError(
            f"{database.setting}: {database.name} is at migration {found or 'none'}, this version "
            f"of lpnet at {head()}: lpnet-service migrate brings a database there"
        )
