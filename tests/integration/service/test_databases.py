"""The database: the same tables on both engines, units that are kept whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import is_current, migrate
from lpnet_service.db.rows import Base, DeviceRow
from lpnet_service.errors import SetupError
from lpnet_service.repositories.inserts import insert_if_new


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def device(name: str, at: datetime) -> DeviceRow:
    return DeviceRow(name=name, source="agent", facts_json="{}", created_at=at)


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_migrations_make_the_tables_that_the_rows_describe(database: Database) -> None:
    with database.engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(migration, Base.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database)
    assert is_current(database)


def test_a_database_without_tables_is_behind(empty_url: str) -> None:
    fresh = Database(empty_url)
    assert not is_current(fresh)
    fresh.close()


def test_a_unit_that_raises_leaves_nothing(database: Database) -> None:
    def half() -> None:
        with database.write() as session:
            session.add(device("a", NOON))
            session.flush()
            raise KeyError("half way")

    with pytest.raises(KeyError):
        half()
    with database.read() as session:
        assert session.get(DeviceRow, "a") is None


def test_writers_wait_for_one_another(database: Database) -> None:
    """Each reads before it writes, which a transaction that begins as a reader would not survive
    on SQLite."""

    def write(number: int) -> None:
        with database.write() as session:
            session.scalar(select(func.count()).select_from(DeviceRow))
            session.add(device(f"d{number}", NOON))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(80)))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(DeviceRow)) == 80


def test_times_come_back_with_their_zone(database: Database) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    with database.write() as session:
        session.add(device("a", elsewhere))
    with database.read() as session:
        row = session.get_one(DeviceRow, "a")
    assert row.created_at == NOON
    assert row.created_at.utcoffset() == timedelta(0)


def test_a_time_without_its_zone_is_not_stored(database: Database) -> None:
    with pytest.raises(StatementError, match="needs its zone"), database.write() as session:
        session.add(device("a", NOON.replace(tzinfo=None)))


def test_what_is_there_is_not_inserted_again(database: Database) -> None:
    values = {"name": "a", "source": "agent", "facts_json": "{}", "created_at": NOON}
    with database.write() as session:
        assert insert_if_new(session, DeviceRow, values, key="name")
        assert not insert_if_new(session, DeviceRow, values | {"source": "x"}, key="name")
    with database.read() as session:
        assert session.get_one(DeviceRow, "a").source == "agent"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_a_database_that_two_processes_cannot_share_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="LPNET_DATABASE_URL"):
        Database(url)
