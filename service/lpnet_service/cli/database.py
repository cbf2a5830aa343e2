"""`lpnet-service migrate`."""

from __future__ import annotations

from lpnet_service.cli.base import refusals


def migrate() -> None:
    """Bring the database to the tables that this version needs."""
    with refusals("lpnet-service migrate"):
        from lpnet_service.db.engine import Database
        from lpnet_service.db.migrate import migrate as migrate_
        from lpnet_service.settings import from_environment

        database = Database(from_environment().database_url)
        migrate_(database)
        database.close()
