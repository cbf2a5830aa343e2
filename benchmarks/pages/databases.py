"""Databases for the benchmarks of pages: those on the command line, or a new one per engine."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.pages.filling import fill
from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import migrate


@contextmanager
def filled(description: str | None) -> Iterator[Iterator[str]]:
    """URLs of databases, each filled before it is yielded. `description` is for `--help`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--database", action="append", default=[])
    options = parser.parse_args()
    with _urls(options.database) as urls:
        yield (_prepared(url, options.samples, options.targets) for url in urls)


@contextmanager
def _urls(named: list[str]) -> Iterator[list[str]]:
    from tests.harness import postgres

    if named:
        yield named
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(postgres.server())
        postgres_url = stack.enter_context(postgres.database(server))
        yield [f"sqlite:///{Path(folder) / 'lpnet.db'}", postgres_url]


def _prepared(url: str, samples: int, targets: int) -> str:
    """Migrate and fill a database, and update its statistics as in normal operation."""
    database = Database(url)
    migrate(database)
    fill(url, samples, targets)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not database.is_sqlite:
            connection.execute(text("VACUUM ANALYZE"))
    database.close()
    return url
