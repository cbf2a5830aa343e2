"""`lpnet-service copy` and `lpnet-service backup`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lpnet.progress import terminal_progress
from lpnet_service.cli.base import exit_on_error

Source = Annotated[str, typer.Option("--from", help="URL of the database to copy.")]
Destination = Annotated[
    str, typer.Option("--to", help="URL of an empty database; an SQLite file is created.")
]
File = Annotated[Path, typer.Argument(help="File to write; it must not exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def copy(from_: Source, to: Destination, as_json: Json = False) -> None:
    """Copy a whole database into an empty one; each may be SQLite or Postgres.

    The copy is one consistent state, or nothing is copied. Changes made during the copy are not
    included: stop the service before you move it to another database.
    """
    with exit_on_error("lpnet-service copy"):
        from lpnet_service.db import copying
        from lpnet_service.db.engine import Database

        source, destination = Database(from_, "--from"), Database(to, "--to")
        try:
            with terminal_progress() as progress:
                counts = copying.copy(source, destination, progress)
        finally:
            source.close()
            destination.close()
    _print_counts(counts, source.name, destination.name, as_json)


def backup(file: File, as_json: Json = False) -> None:
    """Write one consistent state of the database of LPNET_DATABASE_URL to an SQLite file.

    The service may run meanwhile. The file is a complete database: the service can run on it, and
    `lpnet-service copy` restores it into another one.
    """
    with exit_on_error("lpnet-service backup"):
        from lpnet_service.db import backups
        from lpnet_service.db.engine import Database
        from lpnet_service.settings import from_environment

        database = Database(from_environment().database_url)
        try:
            with terminal_progress() as progress:
                counts = backups.backup(database, file, progress)
        finally:
            database.close()
    _print_counts(counts, database.name, str(file), as_json)


def _print_counts(counts: dict[str, int], source: str, destination: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"from": source, "to": destination, "tables": counts}))
        return
    for table, count in counts.items():
        typer.echo(f"{table:<20} {count:>12,}")
    typer.echo(f"copied and verified: {source} -> {destination}")
