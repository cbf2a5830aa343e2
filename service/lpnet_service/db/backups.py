"""A database as one SQLite file that holds one moment of it, while others write."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from lpnet_service.db.copying import Counts, Said, copy
from lpnet_service.db.engine import Database
from lpnet_service.errors import SetupError


def backup(database: Database, file: Path, said: Said = lambda *_: None) -> Counts:
    """Write a backup; rows by table, as counted in the file.

    Raises SetupError, and leaves no file, where there is one already, or the database cannot be
    read, or there is no room.

    The file appears under its name once it is whole, was checked, and is on the disk.
    """
    if file.exists():
        raise SetupError(f"{file} exists: a backup is written to a new file")
    if not file.parent.is_dir():
        raise SetupError(f"{file}: there is no folder {file.parent}")
    draft = file.with_name(file.name + ".part")
    try:
        _make(draft)
        if database.is_sqlite:
            _pages(database, draft)
        else:
            _rows(database, draft, said)
        held = _check(draft)
        _flush(draft)
        draft.rename(file)
        _flush(file.parent)
    except (sqlite3.Error, OSError) as error:
        raise SetupError(f"{file} cannot be written: {error}") from error
    finally:
        _forget(draft)
    return held


def _make(draft: Path) -> None:
    """What is in a database is nobody else's business."""
    _forget(draft)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))


def _forget(draft: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            draft.with_name(draft.name + end).unlink()


def _pages(database: Database, draft: Path) -> None:
    """Page by page, all in one step: between two steps others would write, and SQLite begin anew.
    In a database with a log (WAL) that one step keeps nobody from writing."""
    source = Path(str(database.url.database))
    if not source.is_file():
        raise SetupError(f"{database.setting}: {database.name}: there is no such file")
    database.reach()
    with closing(sqlite3.connect(source)) as given, closing(sqlite3.connect(draft)) as taken:
        given.backup(taken)


def _rows(database: Database, draft: Path, said: Said) -> None:
    made = Database(f"sqlite:///{draft}", str(draft))
    try:
        copy(database, made, said)
    finally:
        made.close()


def _check(draft: Path) -> Counts:
    with closing(sqlite3.connect(draft)) as connection:
        # Without a log beside it the one file is all there is, and can be read where it lies.
        connection.execute("PRAGMA journal_mode=DELETE")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise SetupError(f"the database is damaged, so there is no backup: {verdict}")
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = sorted(name for (name,) in found if not name.startswith("sqlite_"))
        if "alembic_version" not in names:
            raise SetupError("the database has no tables of lpnet, so there is no backup")
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if name != "alembic_version"
        }


def _flush(path: Path) -> None:
    """See to it that it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
