"""The database: read and write transactions on SQLite or Postgres.

On SQLite a write transaction begins with BEGIN IMMEDIATE. A transaction that begins as a reader
and then writes fails if another one has written in between, and waiting does not help.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from lpnet_service.db.announcements import Announcements
from lpnet_service.errors import DiskFull, SetupError
from lpnet_service.observe import tracing

_LOCK_WAIT_S = 30.0
_CONNECT_S = 5
_BUSY_POLL_S = 0.01
_WRITES = "lpnet_writes"
_SYSTEM = "db.system.name"
_POSTGRES_DISK_FULL = "53100"
# Errors hide the parameters of statements: they may be secrets, like the token of a lease.
_POOL: dict[str, Any] = {
    "pool_size": 20,
    "max_overflow": 30,
    "pool_timeout": 10.0,
    "hide_parameters": True,
}
_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")


class Database:
    """A database at `sqlite:///PATH` or `postgresql://...`.

    `read()` and `write()` each give a session for one short transaction. It commits when the block
    ends and rolls back if the block raises. Rows stay readable after the block. Several processes
    may use one database. Raises SetupError, naming `setting`, for any other URL.
    """

    def __init__(self, url: str, setting: str = "LPNET_DATABASE_URL") -> None:
        self.setting = setting
        self.url = _driver_url(url, setting)
        self._engine = _engine(self.url)
        self._writer = self._engine.execution_options(**{_WRITES: True})
        self.announcements = Announcements(self._engine)

    @property
    def engine(self) -> Engine:
        return self._writer

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state and writes nothing."""
        with (
            _raise_disk_full(),
            tracing.inner_span("database read", **{_SYSTEM: self.url.get_backend_name()}),
            Session(self._engine, expire_on_commit=False, autoflush=False) as session,
        ):
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are committed together. Raises DiskFull on a full disk."""
        with (
            _raise_disk_full(),
            tracing.inner_span("database write", **{_SYSTEM: self.url.get_backend_name()}),
            Session(self._writer, expire_on_commit=False) as session,
        ):
            with session.begin():
                yield session
                self.announcements.before_commit(session)
            self.announcements.after_commit(session)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose statements all see the same state, however long it is used. It blocks
        no writer."""
        with self._engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    @property
    def name(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    def check_connection(self) -> None:
        """Connect once. Raises SetupError with the reason if the database cannot be opened."""
        try:
            with self._engine.connect():
                return
        except DBAPIError as error:
            reason = str(error.orig).partition("\n")[0]
            raise SetupError(f"{self.setting}: {self.name} cannot be opened: {reason}") from error

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _raise_disk_full() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if _is_full_disk(error.orig):
            raise DiskFull from error
        raise


def _is_full_disk(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        # The shared memory of the log is a file; without space SQLite reports an I/O error.
        code = getattr(error, "sqlite_errorcode", None)
        return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
    return getattr(error, "sqlstate", None) == _POSTGRES_DISK_FULL


def _driver_url(text: str, setting: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        # The message does not repeat the text, which may hold a password.
        raise SetupError(
            f"{setting}: must be the URL of a database like sqlite:///lpnet.db or "
            "postgresql://user@host/name"
        ) from error
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in _DRIVERS:
        raise SetupError(f"{setting}: must be sqlite or postgresql, got {url.drivername!r}")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise SetupError(
            f"{setting}: an in-memory database cannot be shared between processes; use a file "
            "like sqlite:///lpnet.db"
        )
    return url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, **_POOL, pool_pre_ping=True, connect_args=_postgres_options(url))
    engine = create_engine(url, **_POOL, connect_args={"timeout": _LOCK_WAIT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres_options(url: URL) -> dict[str, Any]:
    """Connecting must not take minutes, and times arrive in UTC: in other zones those at the ends
    of the calendar have no date."""
    options = url.query.get("options", ())
    given = [options] if isinstance(options, str) else list(options)
    return {
        "connect_timeout": url.query.get("connect_timeout", _CONNECT_S),
        "options": " ".join([*given, "-c timezone=UTC"]),
    }


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # Otherwise the driver begins transactions by itself, always as a reader.
    connection.isolation_level = None
    _switch_to_wal(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Set the journal mode. While another connection sets it, SQLite fails without waiting."""
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_POLL_S)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
