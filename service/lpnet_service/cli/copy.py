"""`lpnet-service copy` and `lpnet-service backup`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lpnet_service.cli.base import exit_on_error
from lpnet_service.cli.progress import rows_of_tables

Source = Annotated[str, typer.Option("--from", help="URL of the database to copy.")]
Destination = Annotated[
    str, typer.Option("--to", help="URL of an empty database; a file is made where there is none.")
]
File = Annotated[Path, typer.Argument(help="File to write; there must be none yet.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def copy(from_: Source, to: Destination, as_json: Json = False) -> None:
    """Copy everything from one database into an empty one: SQLite or Postgres, either way.

    All of it arrives, as it was at one moment, or nothing. Both may be in use, but what is written
    to the first meanwhile is not copied: stop the service before you move it.
    """
    with exit_on_error("lpnet-service copy"):
        from lpnet_service.db import copying
        from lpnet_service.db.engine import Database

        source, destination = Database(from_, "--from"), Database(to, "--to")
        try:
            with rows_of_tables() as said:
                counts = copying.copy(source, destination, said)
        finally:
            source.close()
            destination.close()
    _show(counts, source.name, destination.name, as_json)


def backup(file: File, as_json: Json = False) -> None:
    """Write the database of LPNET_DATABASE_URL, as it is at one moment, to one SQLite file.

    The service may go on meanwhile. The file is a database of lpnet: `lpnet-service copy` puts it
    back, and the service runs on it as it is.
    """
    with exit_on_error("lpnet-service backup"):
        from lpnet_service.db import backups
        from lpnet_service.db.engine import Database
        from lpnet_service.settings import from_environment

        database = Database(from_environment().database_url)
        try:
            with rows_of_tables() as said:
                counts = backups.backup(database, file, said)
        finally:
            database.close()
    _show(counts, database.name, str(file), as_json)


def _show(counts: dict[str, int], source: str, destination: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"from": source, "to": destination, "tables": counts}))
        return
    for table, count in counts.items():
        typer.echo(f"{table:<20} {count:>12,}")
    typer.echo(f"copied and counted: {source} -> {destination}")
