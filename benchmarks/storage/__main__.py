"""The cost of samples on SQLite and Postgres: bytes, seconds, memory.

    python -m benchmarks.storage [--samples 50000] [--targets 10] [--postgres URL]

Each database is filled by `benchmarks.storage.filling`; its size is compared with an export of the
same samples as JSON lines. The benchmark then measures `lpnet-service backup` and `copy`, serves
the database, and measures samples per second from one HTTP client and the memory of the API.
Without --postgres, it starts a server from the dev extra.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from tests.harness import postgres

from benchmarks.ingest import bodies, through_http
from benchmarks.storage.filling import fill
from benchmarks.storage.serving import memory_mb, serving
from lpnet.http import Http
from lpnet_service.db.backups import backup
from lpnet_service.db.copying import copy
from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import migrate
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

INGESTED = 20_000
BATCH = 2_000


@dataclass(frozen=True)
class Figures:
    """Figures of one engine. Bytes are per sample; memory is the proportional set size, MB."""

    fill_per_s: float
    database_bytes: float
    jsonl_bytes: float
    ingest_per_s: float
    backup_s: float
    copy_per_s: float
    idle_mb: float
    busy_mb: float


def figures(url: str, folder: Path, samples: int, targets: int) -> Figures:
    ctx = context(Settings(database_url=url))
    migrate(ctx.db)
    filled = fill(ctx, samples=samples, targets=targets)
    size = database_bytes(ctx.db)
    started = time.perf_counter()
    backup(ctx.db, folder / "backup.db")
    backup_s = time.perf_counter() - started
    other = Database(f"sqlite:///{folder / 'copy.db'}")
    started = time.perf_counter()
    copy(ctx.db, other)
    copy_s = time.perf_counter() - started
    other.close()
    ctx.db.close()
    with serving(url, folder, "--no-worker") as (http, process):
        for path in ("/v1/targets", f"/v1/targets/{first_target(http)}/table?limit=100"):
            http.get(path)
        idle = memory_mb(process)
        ingest_s = through_http(http, bodies(INGESTED, BATCH, "ingested"))
        busy = memory_mb(process)
    return Figures(
        fill_per_s=filled.samples / filled.seconds,
        database_bytes=size / filled.samples,
        jsonl_bytes=filled.jsonl_bytes / filled.samples,
        ingest_per_s=INGESTED / ingest_s,
        backup_s=backup_s,
        copy_per_s=filled.samples / copy_s,
        idle_mb=idle,
        busy_mb=busy,
    )


def database_bytes(database: Database) -> int:
    """Size on the disk, with indexes, after a checkpoint of the log."""
    if not database.is_sqlite:
        with database.engine.connect() as connection:
            query = text("SELECT pg_database_size(current_database())")
            return int(connection.scalar(query) or 0)
    with database.engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(str(database.url.database)).stat().st_size


def first_target(http: Http) -> str:
    return str(http.get("/v1/targets")["items"][0]["name"])


def show(samples: int, lite: Figures, big: Figures) -> None:
    print(f"{samples:,} samples                SQLite     Postgres    ratio")
    lines = {
        "bytes a sample, on disk": (lite.database_bytes, big.database_bytes),
        "bytes a sample, JSON lines": (lite.jsonl_bytes, big.jsonl_bytes),
        "filled, samples/s": (lite.fill_per_s, big.fill_per_s),
        "POST samples:batch, samples/s": (lite.ingest_per_s, big.ingest_per_s),
        "backup, s": (lite.backup_s, big.backup_s),
        "copy to SQLite, samples/s": (lite.copy_per_s, big.copy_per_s),
        "API when idle, MB": (lite.idle_mb, big.idle_mb),
        "API after batches, MB": (lite.busy_mb, big.busy_mb),
    }
    for name, (a, b) in lines.items():
        print(f"  {name:<30} {a:>10,.1f} {b:>12,.1f} {b / a:>8.2f}")
    for name, figures_ in (("SQLite", lite), ("Postgres", big)):
        ratio = figures_.database_bytes / figures_.jsonl_bytes
        print(f"  {name}: {ratio:.2f} times the size of the same samples as JSON lines")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--postgres", help="URL of an empty database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        lite, big = Path(name, "sqlite"), Path(name, "postgres")
        lite.mkdir()
        big.mkdir()
        sizes = options.samples, options.targets
        first = figures(f"sqlite:///{lite / 'lpnet.db'}", lite, *sizes)
        if options.postgres:
            second = figures(options.postgres, big, *sizes)
        else:
            with postgres.server() as server, postgres.database(server) as url:
                second = figures(url, big, *sizes)
    show(options.samples, first, second)


if __name__ == "__main__":
    main()
