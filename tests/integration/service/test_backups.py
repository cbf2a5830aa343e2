"""Backups: of one moment, while the service writes, and a service runs on what is restored."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from alembic import command as alembic
from sqlalchemy import make_url, select, text
from tests.harness import postgres as postgres_
from tests.harness.publishing import train
from typer.testing import Result

from lpnet.http import Http
from lpnet.schemas.campaign import Completion, Lease, LeaseRequest, NewCampaign
from lpnet.schemas.device import DeviceFacts, Registration, RegistrationResponse, TargetSpec
from lpnet.schemas.sample import Sample, SampleBatch
from lpnet.space.space import Space
from lpnet_demo.processes import LocalLoop
from lpnet_service.db.backups import backup
from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import config, is_current, migrate
from lpnet_service.db.rows import Base, CampaignRow, DeviceRow, JobRow, SampleRow
from lpnet_service.errors import SetupError
from lpnet_service.services.learning import lpnets
from lpnet_service.services.measuring import campaigns, ingest, job_completion, jobs, leasing
from lpnet_service.services.shared import targets
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

Bench = Any
Command = Callable[..., Result]
TARGET = "desk-cpu"
BATCH = 20


def contents(database: Database) -> dict[str, list[Any]]:
    with database.snapshot() as connection:
        return {
            table.name: list(connection.execute(select(table).order_by(*table.primary_key)))
            for table in Base.metadata.sorted_tables
        }


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def test_a_backup_of_either_engine_is_a_database_to_run_on(
    bench: Bench, command: Command, tmp_path: Path
) -> None:
    info = train(bench)
    file = tmp_path / "backup.db"
    output = json.loads(command("backup", str(file), "--json").stdout)
    assert output["tables"]["samples"] == output["tables"]["lpnets"] == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]
    with opened(f"sqlite:///{file}") as restored:
        assert contents(restored) == contents(bench.ctx.db)
        ctx = context(Settings(database_url=f"sqlite:///{file}"), db=restored, clock=bench.clock)
        assert targets.get_target(ctx, bench.target) == targets.get_target(bench.ctx, bench.target)
        assert lpnets.weights(ctx, info.id) == lpnets.weights(bench.ctx, info.id)


def test_a_backup_is_put_back_by_copy(bench: Bench, command: Command, tmp_path: Path) -> None:
    train(bench)
    file = tmp_path / "backup.db"
    command("backup", str(file))
    with opened(f"sqlite:///{tmp_path / 'new.db'}") as new:
        command("copy", "--from", f"sqlite:///{file}", "--to", f"sqlite:///{tmp_path / 'new.db'}")
        assert contents(new) == contents(bench.ctx.db)
    refused = command(
        "copy", "--from", f"sqlite:///{file}", "--to", f"sqlite:///{tmp_path / 'new.db'}", exits=1
    )
    assert "is not empty" in refused.stderr


def test_what_cannot_be_backed_up_leaves_no_file(
    lite_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "there.db").write_text("another")
    (tmp_path / "empty.db").touch()

    def refused(url: str, file: Path, message: str) -> None:
        with opened(url) as database, pytest.raises(SetupError, match=message):
            backup(database, file)

    good = lite_bench.ctx.settings.database_url
    refused(good, folder / "there.db", "exists")
    refused(good, tmp_path / "nowhere" / "a.db", "no folder")
    refused(f"sqlite:///{tmp_path / 'typo.db'}", folder / "a.db", "no such file")
    refused(f"sqlite:///{tmp_path / 'empty.db'}", folder / "a.db", "no tables of lpnet")
    damage(Path(make_url(good).database or ""))
    refused(good, folder / "a.db", "damaged|malformed")
    assert [path.name for path in folder.iterdir()] == ["there.db"]
    assert (folder / "there.db").read_text() == "another"


def damage(file: Path) -> None:
    """Overwrite the middle of every page but the first few."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    for page in range(4, len(content) // 4096):
        content[4096 * page : 4096 * page + 100] = b"\xff" * 100
    file.write_bytes(content)


def test_a_plain_copy_of_the_file_misses_what_is_in_the_log(
    lite_bench: Bench, tmp_path: Path
) -> None:
    """Why there is a command: this is the trap that the docs warn of."""
    ctx, file = lite_bench.ctx, Path(make_url(lite_bench.ctx.settings.database_url).database or "")
    store(lite_bench, 5)
    shutil.copy(file, tmp_path / "naive.db")
    backup(ctx.db, tmp_path / "backup.db")
    with opened(f"sqlite:///{tmp_path / 'backup.db'}") as whole:
        assert len(contents(whole)["samples"]) == 5
    with opened(f"sqlite:///{tmp_path / 'naive.db'}") as naive:
        assert len(contents(naive)["samples"]) < 5


def store(bench: Bench, count: int) -> None:
    samples = tuple(bench.sample() for _ in range(count))
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


def test_an_older_version_is_backed_up_and_gone_back_to(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lpnet.db'}"
    with opened(url) as old:
        with old.engine.begin() as connection:
            alembic.upgrade(config(connection), "0005")
            connection.execute(
                text(
                    "INSERT INTO devices (name, source, facts_json, created_at) "
                    "VALUES ('d', 'agent', '{}', '2026-01-31 12:00:00')"
                )
            )
        assert backup(old, tmp_path / "before.db")["devices"] == 1
        migrate(old)
        assert is_current(old)
    with opened(f"sqlite:///{tmp_path / 'before.db'}") as before:
        assert not is_current(before)
        migrate(before)
        with before.read() as session:
            assert session.get_one(DeviceRow, "d").source == "agent"


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_pg_dump_and_pg_restore(bench: Bench, postgres: str, tmp_path: Path) -> None:
    """As the docs say it; by the programs of the very server that the tests run."""
    train(bench)
    expected = contents(bench.ctx.db)
    dump = tmp_path / "lpnet.dump"
    with postgres_.database(postgres) as url:
        dump_command = (
            postgres_.program("pg_dump"),
            "--format=custom",
            "--no-owner",
            f"--file={dump}",
        )
        subprocess.run([*dump_command, libpq(bench.ctx.settings.database_url)], check=True)
        store(bench, 3)
        back = postgres_.program("pg_restore"), "--exit-on-error", "--single-transaction"
        subprocess.run([*back, "--no-owner", f"--dbname={libpq(url)}", dump], check=True)
        with opened(url) as restored:
            assert is_current(restored)
            assert contents(restored) == expected
            ctx = context(Settings(database_url=url), db=restored, clock=bench.clock)
            batch = SampleBatch(target=bench.target, samples=(bench.sample(),))
            assert ingest.store(ctx, batch).stored == 1


def libpq(url: str) -> str:
    """A URL as the programs of Postgres read it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Load:
    """A service at work: batches of samples by one thread, jobs done by another."""

    def __init__(self, url: str, space: Space, folder: Path) -> None:
        self.url, self.space = url, space
        self._over = Event()
        self.faults: list[BaseException] = []
        with Http(url) as http:
            registration = Registration(
                device="desk",
                facts=DeviceFacts(),
                targets=(TargetSpec(name=TARGET),),
                agent_version="1",
            )
            self.agent = RegistrationResponse.model_validate(
                http.post("/v1/agents", registration)
            ).agent
            content = "application/octet-stream"
            http.post_bytes("/v1/spaces", space.to_bytes(), content_type=content)
            new = NewCampaign(target=TARGET, space=space.hash, blocks=2000, networks=200)
            http.post("/v1/campaigns", new)
        self._threads = [Thread(target=self._until_over, args=(work,)) for work in self._works()]
        self.batches = self.jobs = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_batches(self, count: int) -> None:
        self._wait(lambda: self.batches >= count)

    def wait_for_jobs(self, count: int) -> None:
        self._wait(lambda: self.jobs >= count)

    def _wait(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not is_done() and not self.faults:
            assert time.monotonic() < deadline, f"{self.batches} batches, {self.jobs} jobs"
            time.sleep(0.05)

    def _works(self) -> tuple[Callable[[Http], None], ...]:
        return self._store, self._measure

    def _until_over(self, work: Callable[[Http], None]) -> None:
        try:
            with Http(self.url) as http:
                while not self._over.is_set():
                    work(http)
        except BaseException as error:
            self.faults.append(error)

    def _store(self, http: Http) -> None:
        samples = tuple(
            Sample.model_validate(
                {
                    "id": f"batch{self.batches:06}-{number:02}",
                    "latency_ms": 1.0,
                    "workload": {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]},
                }
            )
            for number in range(BATCH)
        )
        http.post("/v1/samples:batch", SampleBatch(target=TARGET, samples=samples))
        self.batches += 1

    def _measure(self, http: Http) -> None:
        request = LeaseRequest(targets=(TARGET,), wait_s=0)
        answer = http.post(f"/v1/agents/{self.agent}/leases", request)
        if answer is None:
            return
        lease = Lease.model_validate(answer)
        samples = tuple(
            Sample(id=item.id, kind=item.kind, workload=item.workload, latency_ms=1.0)
            for item in lease.items
        )
        http.post(f"/v1/leases/{lease.token}/complete", Completion(samples=samples))
        self.jobs += 1


@pytest.mark.slow
def test_a_service_that_writes_is_backed_up_whole_and_restored(
    space: Space, tmp_path: Path
) -> None:
    files = [tmp_path / f"backup{number}.db" for number in range(3)]
    with LocalLoop(tmp_path / "loop", agent=False) as loop:
        with Load(loop.url, space, tmp_path) as load:
            load.wait_for_batches(1)
            for file in files:
                before = load.batches
                subprocess.run(
                    [sys.executable, "-m", "lpnet_service", "backup", str(file)],
                    env={**os.environ, "LPNET_DATABASE_URL": loop.database_url},
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                assert load.batches > before
            load.wait_for_jobs(4)
        assert not load.faults
    held = [check(file) for file in files]
    assert held == sorted(held)
    restore_and_work(files[-1], load.agent)


def check(file: Path) -> int:
    """No unit is there by half; returns the samples."""
    with opened(f"sqlite:///{file}") as database, database.read() as session:
        ids = {id_: campaign for id_, campaign in session.execute(_samples())}
        batches: dict[str, int] = {}
        for id_ in ids:
            if id_.startswith("batch"):
                batches[id_[:11]] = batches.get(id_[:11], 0) + 1
        assert set(batches.values()) == {BATCH}
        (campaign,) = session.scalars(select(CampaignRow)).all()
        for job in session.scalars(select(JobRow)):
            measured = [ids.get(id_, "none") for id_ in jobs.item_ids(job)]
            if job.state == "done":
                assert measured == [campaign.id] * job.items
                assert job.measured == job.items
            else:
                assert measured == ["none"] * job.items
        return len(ids)


def _samples() -> Any:
    return select(SampleRow.id, SampleRow.campaign)


def restore_and_work(file: Path, agent: str) -> None:
    """The file in the place of the database, and a service on it."""
    with opened(f"sqlite:///{file}") as database:
        ctx = context(Settings(database_url=f"sqlite:///{file}"), db=database)
        count = targets.get_target(ctx, TARGET).samples
        (before,) = campaigns.page(ctx, limit=1).items
        # That of before the backup may have no job left that nobody holds.
        new = NewCampaign(target=TARGET, space=before.space, blocks=4, networks=1)
        campaigns.create(ctx, new)
        lease = leasing.claim(ctx, agent, [TARGET])
        assert lease is not None
        campaign = campaigns.get(ctx, lease.campaign)
        samples = tuple(
            Sample(id=item.id, kind=item.kind, workload=item.workload, latency_ms=1.0)
            for item in lease.items
        )
        job = leasing.find_job(ctx, lease.token)
        job_completion.complete(ctx, job, Completion(samples=samples))
        assert targets.get_target(ctx, TARGET).samples == count + len(samples)
        assert campaigns.get(ctx, campaign.id).measured == campaign.measured + len(samples)
