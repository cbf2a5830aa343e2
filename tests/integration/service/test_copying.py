"""A database is copied whole, or not at all: between SQLite and Postgres, both ways."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from tests.harness import postgres as postgres_
from tests.harness.budget import examples

from lpnet.schemas.sample import SampleBatch
from lpnet_service.db.copying import copy
from lpnet_service.db.engine import Database
from lpnet_service.db.rows import Base, DeviceRow, SampleRow
from lpnet_service.db.types import UtcTime
from lpnet_service.errors import SetupError
from lpnet_service.services.measuring import ingest
from lpnet_service.services.shared import targets
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

Bench = Any
Contents = dict[str, list[tuple[Any, ...]]]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def fresh(tmp_path: Path, postgres: str) -> Callable[[str], Any]:
    """Makes databases without tables, of an engine."""
    numbers = iter(range(1000))

    @contextmanager
    def open_fresh(engine: str) -> Iterator[Database]:
        if engine == "sqlite":
            database = Database(f"sqlite:///{tmp_path / f'fresh{next(numbers)}.db'}", "--to")
            yield database
            database.close()
            return
        with postgres_.database(postgres) as url:
            database = Database(url, "--to")
            yield database
            database.close()

    return open_fresh


def contents(database: Database) -> Contents:
    """Every row of every table."""
    with database.snapshot() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in Base.metadata.sorted_tables
        }


def values(column: Column[Any], number: int) -> st.SearchStrategy[Any]:
    """What a column may hold; keys and references are numbered, so that they fit together."""
    if column.foreign_keys and not column.nullable:
        return st.just(f"key {number} é")
    if column.foreign_keys:
        return st.sampled_from([None, f"key {number} é"])
    if column.primary_key and isinstance(column.type, BigInteger | Integer):
        return st.just(number + 1)
    if column.primary_key:
        return st.just(f"key {number} é")
    kind = column.type
    strategy: st.SearchStrategy[Any]
    if isinstance(kind, UtcTime | DateTime):
        strategy = st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1)).map(
            lambda at: at.replace(tzinfo=UTC)
        )
    elif isinstance(kind, LargeBinary):
        strategy = st.binary(max_size=300)
    elif isinstance(kind, Boolean):
        strategy = st.booleans()
    elif isinstance(kind, BigInteger):
        strategy = st.integers(-(2**63), 2**63 - 1)
    elif isinstance(kind, Integer):
        strategy = st.integers(-(2**31), 2**31 - 1)
    elif isinstance(kind, Float):
        strategy = st.floats(allow_nan=False, allow_infinity=False)
    else:
        # A number before it keeps apart what has to be unique.
        letters = st.characters(codec="utf-8", exclude_characters="\0")
        strategy = st.text(letters, max_size=40).map(lambda text: f"{number} {text}")
    return st.none() | strategy if column.nullable else strategy


@st.composite
def rows(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Rows of every table that there is, at least one of each."""
    return {
        table.name: [
            {column.name: draw(values(column, number)) for column in table.columns}
            for number in range(draw(st.integers(1, 3)))
        ]
        for table in Base.metadata.sorted_tables
    }


@pytest.mark.parametrize("other", ["sqlite", "postgres"])
@examples(10, suppress_health_check=list(HealthCheck))
@given(values=rows())
def test_there_and_back_again_it_is_equal_row_by_row(
    other: str, values: dict[str, list[dict[str, Any]]], fresh: Any, sqlite_template: Path
) -> None:
    with fresh("sqlite") as first, fresh(other) as second, fresh("sqlite") as third:
        Path(first.url.database).write_bytes(sqlite_template.read_bytes())
        # References point at rows of the least count, so that they are there.
        fewest = min(len(of) for of in values.values())
        with first.engine.begin() as connection:
            for table in Base.metadata.sorted_tables:
                connection.execute(insert(table), values[table.name][:fewest])
        expected = contents(first)
        counts = copy(first, second)
        assert counts == {name: len(of) for name, of in expected.items()}
        assert set(counts) == set(Base.metadata.tables)
        assert contents(second) == expected
        assert copy(second, third) == counts
        assert contents(third) == expected


def fill(bench: Bench, count: int = 3, prefix: str = "sample") -> None:
    samples = tuple(bench.sample(id=f"{prefix}-{number:06}") for number in range(count))
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_what_was_moved_is_worked_on(bench: Bench, fresh: Any, engine: str) -> None:
    fill(bench)
    with fresh(engine) as moved:
        copy(bench.ctx.db, moved)
        url = moved.url.render_as_string(hide_password=False)
        ctx = context(Settings(database_url=url), db=moved, clock=bench.clock)
        assert targets.get_target(ctx, bench.target) == targets.get_target(bench.ctx, bench.target)
        # Numbers go on behind those that came.
        more = SampleBatch(target=bench.target, samples=(bench.sample(id="sample-new"),))
        assert ingest.store(ctx, more).stored == 1
        with moved.read() as session:
            numbers = session.scalars(select(SampleRow.seq).order_by(SampleRow.id)).all()
        assert len(set(numbers)) == 4
        assert max(numbers) == next(
            number for number in numbers if numbers.count(number) == 1 and number > 3
        )


def test_one_state_is_copied_of_a_source_that_is_written_to(bench: Bench, fresh: Any) -> None:
    """A writer adds a device, then its target, while tables are being copied."""
    written: list[str] = []

    def write_between(stage: str, done: float, total: float) -> None:
        name = f"late{len(written)}"
        with bench.ctx.db.write() as session:
            session.add(DeviceRow(name=name, source="agent", facts_json="{}", created_at=NOON))
        fill(bench, 2, name)
        written.append(stage)

    fill(bench)
    before = contents(bench.ctx.db)
    with fresh("sqlite") as taken:
        copy(bench.ctx.db, taken, write_between)
        assert "samples" in written
        assert contents(taken) == before
    assert contents(bench.ctx.db) != before


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_copy_that_breaks_off_leaves_nothing(bench: Bench, fresh: Any, engine: str) -> None:
    def break_off(stage: str, done: float, total: float) -> None:
        if stage == "samples":
            raise KeyError("half way")

    fill(bench)
    with fresh(engine) as taken:
        with pytest.raises(KeyError):
            copy(bench.ctx.db, taken, break_off)
        with taken.snapshot() as connection:
            assert inspect(connection).get_table_names() == []
        copy(bench.ctx.db, taken)
        with pytest.raises(SetupError, match=r"--to: .* is not empty \(devices, .*samples"):
            copy(bench.ctx.db, taken)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_another_migration_is_refused(lite_bench: Bench, fresh: Any, engine: str) -> None:
    with fresh(engine) as other:
        with other.engine.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
        with pytest.raises(
            SetupError, match="is at migration 0001, but this version of lpnet needs"
        ):
            copy(lite_bench.ctx.db, other)
        with fresh("sqlite") as empty, pytest.raises(SetupError, match="at migration 0001"):
            copy(other, empty)
        with other.snapshot() as connection:
            assert inspect(connection).get_table_names() == ["alembic_version"]


def test_tables_of_something_else_are_left_alone(lite_bench: Bench, fresh: Any) -> None:
    with fresh("postgres") as other:
        with other.engine.begin() as connection:
            Table("samples", MetaData(), Column("x", Integer)).create(connection)
        with pytest.raises(SetupError, match="has tables of another program"):
            copy(lite_bench.ctx.db, other)


def test_what_the_destination_cannot_hold_is_said(lite_bench: Bench, fresh: Any) -> None:
    """SQLite holds any number in a column that is declared INTEGER."""
    with lite_bench.ctx.db.engine.begin() as connection:
        connection.execute(text("UPDATE targets SET epoch = 3000000000"))
    with fresh("postgres") as taken:
        with pytest.raises(SetupError, match=r"table targets: .*out of range.*nothing was copied"):
            copy(lite_bench.ctx.db, taken)
        with taken.snapshot() as connection:
            assert inspect(connection).get_table_names() == []


def test_a_source_that_is_not_there_is_not_made(tmp_path: Path, fresh: Any) -> None:
    source = Database(f"sqlite:///{tmp_path / 'typo.db'}", "--from")
    with fresh("sqlite") as taken, pytest.raises(SetupError, match=r"--from: .*no such file"):
        copy(source, taken)
    source.close()
    assert not list(tmp_path.glob("typo*"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_kill_9_in_the_middle_leaves_an_empty_destination(
    lite_bench: Bench, fresh: Any, engine: str
) -> None:
    for part in range(8):
        fill(lite_bench, 5000, f"part{part}")
    with fresh(engine) as taken:
        to = taken.url.render_as_string(hide_password=False)
        arguments = ("--from", lite_bench.ctx.settings.database_url, "--to", to)
        command = [sys.executable, "-m", "lpnet_service", "copy", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        began = size(taken)
        while size(taken) < began + 2_000_000:
            assert process.poll() is None, "it was over before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
        wait_for_the_lock(taken)
        with taken.snapshot() as connection:
            assert inspect(connection).get_table_names() == []
        assert copy(lite_bench.ctx.db, taken)["samples"] == 40_000


def size(database: Database) -> int:
    """Bytes that a database takes on its disk, what is not committed included."""
    if database.is_sqlite:
        file = Path(str(database.url.database))
        files = (file.with_name(file.name + end) for end in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
    with database.snapshot() as connection:
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def wait_for_the_lock(database: Database) -> None:
    """Postgres notices that its client is gone when it next writes to it."""
    deadline = time.monotonic() + 90
    query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    while not database.is_sqlite and time.monotonic() < deadline:
        with suppress(DBAPIError), database.snapshot() as connection:
            if connection.scalar(query) == 1:
                return
        time.sleep(0.05)
    assert database.is_sqlite


def test_times_keep_their_moment(lite: Any, fresh: Any) -> None:
    at = NOON + timedelta(microseconds=1)
    with lite.db.write() as session:
        session.add(DeviceRow(name="d", source="agent", facts_json="{}", created_at=at))
    with fresh("postgres") as taken:
        copy(lite.db, taken)
        with taken.read() as session:
            assert session.get_one(DeviceRow, "d").created_at == at
