"""Backups: one consistent state of a database as an SQLite file, while others write."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from lpnet.progress import Progress, quiet
from lpnet_service.db.copying import Counts, copy
from lpnet_service.db.engine import Database
from lpnet_service.errors import SetupError


def backup(database: Database, file: Path, progress: Progress = quiet) -> Counts:
    """Write a backup; returns the rows of each table, counted in the file.

    The file appears under its name once it is complete, checked, and on the disk. Raises
    SetupError, and leaves no file, if the file exists, the database cannot be read, or the disk is
    full.
    """
    if file.exists():
        raise SetupError(f"{file} exists: a backup is written to a new file")
    if not file.parent.is_dir():
        raise SetupError(f"{file}: there is no folder {file.parent}")
    draft = file.with_name(file.name + ".part")
    try:
        _create(draft)
        if database.is_sqlite:
            _copy_pages(database, draft)
        else:
            _copy_rows(database, draft, progress)
        counts = _check(draft)
        _flush(draft)
        draft.rename(file)
        _flush(file.parent)
    except (sqlite3.Error, OSError) as error:
        raise SetupError(f"{file} cannot be written: {error}") from error
    finally:
        _remove(draft)
    return counts


def _create(draft: Path) -> None:
    # The file is private to its owner from the start.
    _remove(draft)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))


def _remove(draft: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            draft.with_name(draft.name + end).unlink()


def _copy_pages(database: Database, draft: Path) -> None:
    """Copy page by page, in one step: SQLite restarts if others write between two steps. With a
    write-ahead log, the one step blocks no writer."""
    source = Path(str(database.url.database))
    if not source.is_file():
        raise SetupError(f"{database.setting}: {database.name}: no such file")
    database.check_connection()
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(draft)) as copied:
        live.backup(copied)


def _copy_rows(database: Database, draft: Path, progress: Progress) -> None:
    destination = Database(f"sqlite:///{draft}", str(draft))
    try:
        copy(database, destination, progress)
    finally:
        destination.close()


def _check(draft: Path) -> Counts:
    with closing(sqlite3.connect(draft)) as connection:
        # Without a log file beside it, the backup is a single file that can be read anywhere.
        connection.execute("PRAGMA journal_mode=DELETE")
        (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise SetupError(f"the database is damaged, so there is no backup: {result}")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = sorted(name for (name,) in tables if not name.startswith("sqlite_"))
        if "alembic_version" not in names:
            raise SetupError("the database has no tables of lpnet, so there is no backup")
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if name != "alembic_version"
        }


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
