"""Migrations: what an older version stored is kept, and can still be read and worked on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text
from tests.harness.tallies import check_tallies

from lpnet.schemas.ops import Linear
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload
from lpnet.space.space import Space
from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import config, is_current, migrate
from lpnet_service.db.rows import Base, EpochRow, JobRow, SampleRow, TargetRow
from lpnet_service.services.measuring import leasing
from lpnet_service.services.reading import samples
from lpnet_service.services.shared import targets
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

NOW = "2026-01-31 12:00:00+00:00"
WORKLOAD = OpsWorkload(ops=(Linear(c_in=8, c_out=8),)).model_dump(mode="json", exclude_none=True)


@pytest.fixture
def old(empty_url: str) -> Iterator[Database]:
    """A database as the first version left it, once of each engine."""
    database = Database(empty_url)
    upgrade(database, "0001")
    yield database
    database.close()


def upgrade(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        command.upgrade(config(connection), revision)


def insert(database: Database, table: str, **values: Any) -> None:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    with database.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)


def fill(database: Database, space: Space) -> None:
    insert(database, "devices", name="desk", source="agent", facts_json="{}", created_at=NOW)
    insert(
        database,
        "agents",
        id="agent-1",
        device="desk",
        version="1",
        last_seen_at=NOW,
        created_at=NOW,
    )
    spec = json.dumps({"name": "desk-cpu"})
    insert(
        database,
        "targets",
        name="desk-cpu",
        device="desk",
        source="agent",
        spec_json=spec,
        epoch=3,
        created_at=NOW,
    )
    for number, sentinel in enumerate([False, True]):
        insert(database, "samples", **stored(number, sentinel))
    insert(
        database,
        "spaces",
        hash=space.hash,
        name="s",
        info_json="{}",
        file=space.to_bytes(),
        created_at=NOW,
    )
    insert(
        database,
        "campaigns",
        id="campaign-1",
        target="desk-cpu",
        space=space.hash,
        state="running",
        stage="drawn",
        request_json="{}",
        total=1,
        unplanned=0,
        unplanned_json="[]",
        created_at=NOW,
    )
    insert(database, "jobs", **waiting_job(space))


def stored(number: int, sentinel: bool) -> dict[str, Any]:
    """A sample's row as the first version wrote it."""
    body = {
        "kind": "block",
        "workload": WORKLOAD,
        "latency_ms": 1.5,
        "id": f"sample-{number:06}",
        "sentinel": sentinel,
        "disturbed": False,
        # Looks like the mark, and is not.
        "reasons": ['he said "sentinel":false, twice'],
    }
    return {
        "id": body["id"],
        "target": "desk-cpu",
        "epoch": 3,
        "kind": "block",
        "workload_key": f"key{number}",
        "latency_ms": 1.5,
        "sentinel": sentinel,
        "disturbed": False,
        "taken_at": NOW,
        "stored_at": NOW,
        "body_json": json.dumps(body, separators=(",", ":")),
    }


def waiting_job(space: Space) -> dict[str, Any]:
    workload = {
        "space": space.hash,
        "block": None,
        "widths": {width.name: width.max for width in space.widths},
        "batch": 1,
    }
    item = {"id": "item-1", "kind": "network", "workload": workload, "draw": None}
    return {
        "id": "job-1",
        "campaign": "campaign-1",
        "target": "desk-cpu",
        "state": "queued",
        "priority": 0,
        "position": 0,
        "fresh_session": False,
        "items_json": json.dumps([item | {"sentinel": False}]),
        "items": 1,
        "measured": 0,
        "failures_json": "[]",
        "attempts": 0,
        "available_at": NOW,
        "created_at": NOW,
    }


def test_what_the_first_version_stored_is_kept(old: Database, space: Space) -> None:
    fill(old, space)
    assert not is_current(old)
    migrate(old)
    assert is_current(old)
    with old.engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(migration, Base.metadata) == []
    with old.read() as session:
        plain, check = session.scalars(select(SampleRow).order_by(SampleRow.seq)).all()
        target = session.get_one(TargetRow, "desk-cpu")
        job = session.get_one(JobRow, "job-1")
    assert (target.condition, target.condition_at, target.cleared) == ("ready", None, 0)
    assert (target.cause, target.epoch_started_at) == (None, None)
    assert (job.offered, job.disturbed, job.ended) == (1, 0, 0)
    assert (plain.sentinel, plain.disturbed) == (None, False)
    # Nothing but the mark is gone, and nothing is there that a sample of today does not say.
    kept = Sample.model_validate_json(plain.body_json)
    assert json.loads(plain.body_json) == kept.model_dump(mode="json", exclude_none=True)
    assert plain.body_json.count("sentinel") == 1
    assert (check.sentinel, check.disturbed) == (None, True)
    sample = Sample.model_validate_json(check.body_json)
    assert sample.disturbed
    assert "nobody recorded" in sample.reasons[-1]


REVISIONS = [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_version_is_upgraded(empty_url: str, revision: str, space: Space) -> None:
    """What the first version stored, carried to that revision, and from there to the last one."""
    database = Database(empty_url)
    upgrade(database, "0001")
    fill(database, space)
    upgrade(database, revision)
    migrate(database)
    assert is_current(database)
    with database.engine.connect() as connection:
        migration = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(migration, Base.metadata) == []
        counts = [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("devices", "agents", "targets", "samples", "spaces", "campaigns", "jobs")
        ]
    assert counts == [1, 1, 1, 2, 1, 1, 1]
    database.close()


def test_samples_of_an_older_version_are_counted(old: Database, space: Space) -> None:
    """Repeated in two sessions, in two epochs and a space, some disturbed, one a sentinel."""
    fill(old, space)
    for number in range(2, 200):
        row = stored(number, sentinel=number == 2)
        row |= {
            "workload_key": f"key{number % 25}",
            "session": f"s{number % 3}",
            "taken_at": NOW.replace(":00:00+", f":0{number % 3}:00+"),
            "latency_ms": 1.0 + number % 5,
            "epoch": 2 + number % 2,
            "disturbed": number % 11 == 0,
            "space": space.hash if number % 25 > 12 else None,
            "body_json": row["body_json"].replace(
                '"disturbed":false', f'"disturbed":{str(number % 11 == 0).lower()}'
            ),
        }
        insert(old, "samples", **row)
    migrate(old)
    check_tallies(old)
    with old.read() as session:
        noise = [row.noise_floor_pct for row in session.scalars(select(EpochRow))]
    assert len(noise) == 2
    assert None not in noise


def test_connections_that_open_an_empty_database_at_once_wait_for_each_other(
    tmp_path: Path,
) -> None:
    """SQLite does not wait by itself while two connections set the journal mode."""
    for number in range(20):
        databases = [Database(f"sqlite:///{tmp_path}/{number}.db") for _ in range(4)]
        start = threading.Barrier(len(databases))

        def connect(database: Database, start: threading.Barrier = start) -> None:
            start.wait()
            database.check_connection()
            database.close()

        with ThreadPoolExecutor(len(databases)) as pool:
            list(pool.map(connect, databases))


def test_processes_that_start_at_once_on_an_empty_database_take_turns(empty_url: str) -> None:
    """Real processes: whatever order they share would have to be the database's."""
    command = [sys.executable, "-m", "lpnet_service", "migrate"]
    environment = {**os.environ, "LPNET_DATABASE_URL": empty_url}
    several = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in several]
    assert [process.returncode for process in several] == [0, 0, 0, 0], errors
    database = Database(empty_url)
    assert is_current(database)
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    database.close()


def test_a_migrated_database_is_worked_on(old: Database, space: Space) -> None:
    fill(old, space)
    migrate(old)
    ctx = context(Settings(database_url=old.url.render_as_string(hide_password=False)), db=old)
    assert targets.get_target(ctx, "desk-cpu").epoch == 3
    assert len(samples.page(ctx, {}, after=None, limit=9).items) == 2
    lease = leasing.claim(ctx, "agent-1", ["desk-cpu"])
    assert lease is not None
    assert [item.id for item in lease.items] == ["item-1"]


def test_going_back_a_version_keeps_what_is_a_sentinel(old: Database, space: Space) -> None:
    fill(old, space)
    migrate(old)
    with old.write() as session:
        (row, _) = session.scalars(select(SampleRow).order_by(SampleRow.seq)).all()
        row.sentinel = "memory"
        sample = Sample.model_validate_json(row.body_json).model_copy(
            update={"sentinel": "memory"}
        )
        row.body_json = sample.model_dump_json(exclude_none=True)
    with old.engine.begin() as connection:
        command.downgrade(config(connection), "0001")
    with old.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT sentinel, body_json FROM samples ORDER BY seq")
        ).all()
    assert [bool(mark) for mark, _ in rows] == [True, False]
    assert json.loads(rows[0][1])["sentinel"] is True
    migrate(old)
    with old.read() as session:
        assert session.get_one(JobRow, "job-1").items == 1
