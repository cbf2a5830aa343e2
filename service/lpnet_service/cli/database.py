"""`lpnet-service migrate`."""

from __future__ import annotations

from lpnet_service.cli.base import exit_on_error


def migrate() -> None:
    """Update the tables of the database to this version."""
    with exit_on_error("lpnet-service migrate"):
        from lpnet_service.db.engine import Database
        from lpnet_service.db.migrate import migrate as migrate_database
        from lpnet_service.settings import from_environment

        database = Database(from_environment().database_url)
        migrate_database(database)
        database.close()
