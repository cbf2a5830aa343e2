"""A service on SQLite and on a real Postgres, with a clock that stands still until told."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
from fastapi.testclient import TestClient
from tests.harness import postgres as postgres_
from tests.harness.quick import quick_training
from torch import nn
from typer.testing import CliRunner, Result

from lpnet.schemas.campaign import Completion, JobFailure
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.schemas.sample import IngestResult, Sample
from lpnet.space.space import Space
from lpnet_service.api.app import Application
from lpnet_service.db.engine import Database
from lpnet_service.db.migrate import migrate
from lpnet_service.main import app
from lpnet_service.services.measuring import agents, job_completion, leasing
from lpnet_service.services.shared import spaces as spaces_
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import Settings

# Files about storage and leases, where the engine matters most. The others run on SQLite in
# `make test`, and on Postgres too in `make test-all`.
_ON_BOTH_ENGINES = frozenset(
    {
        "test_artifact_stores.py",
        "test_backups.py",
        "test_campaigns.py",
        "test_clock_goes_back.py",
        "test_copying.py",
        "test_database_away.py",
        "test_databases.py",
        "test_held_polls.py",
        "test_ingest.py",
        "test_job_leases.py",
        "test_locks.py",
        "test_migrations.py",
        "test_number_bounds.py",
        "test_processes.py",
        "test_retention.py",
        "test_seats.py",
        "test_tallies.py",
        "test_worker_processes.py",
    }
)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent != Path(__file__).parent or item.path.name in _ON_BOTH_ENGINES:
            continue
        if isinstance(item, pytest.Function) and _parameter(item, "postgres"):
            item.add_marker(pytest.mark.slow)


def _parameter(item: pytest.Function, value: str) -> bool:
    """Whether one of the test's parameters has that value."""
    return hasattr(item, "callspec") and value in item.callspec.params.values()


@dataclass
class HandClock:
    """A clock that moves only when told to."""

    time: datetime = field(default=datetime(2026, 1, 31, 12, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def _quick_training() -> Iterator[None]:
    """Tests whose subject is the training have a fixture of this name that does nothing."""
    with quick_training():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a Postgres server whose database `template_lpnet` has all migrations."""
    with postgres_.server() as server:
        postgres_.skip_fsync(server)
        postgres_.create(server, "template_lpnet")
        database = Database(postgres_.named(server, "template_lpnet"))
        migrate(database)
        database.close()
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that has all migrations."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "lpnet.db")
    return f"sqlite:///{tmp_path / 'lpnet.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database, once of each engine."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    with postgres_.database(request.getfixturevalue("postgres"), "template_lpnet") as named:
        yield named


@pytest.fixture
def empty_postgres(postgres: str) -> Iterator[str]:
    """The URL of a Postgres database without tables."""
    with postgres_.database(postgres) as named:
        yield named


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once of each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    empty_url: str = request.getfixturevalue("empty_postgres")
    return empty_url


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ctx(url: str, clock: HandClock) -> Iterator[Context]:
    """A service context on a fresh database, once of each engine."""
    context_ = context(Settings(database_url=url), clock=clock)
    yield context_
    context_.db.close()


@pytest.fixture
def closed(ctx: Context) -> Context:
    """The same, asking for tokens."""
    return replace(ctx, settings=ctx.settings.model_copy(update={"tokens": "required"}))


@pytest.fixture
def lite(sqlite_url: str, clock: HandClock) -> Iterator[Context]:
    """A service context on SQLite, for what no engine can change."""
    context_ = context(Settings(database_url=sqlite_url), clock=clock)
    yield context_
    context_.db.close()


@pytest.fixture
def api(ctx: Context) -> Iterator[TestClient]:
    """The REST API on both engines."""
    with TestClient(Application(ctx), raise_server_exceptions=False) as client:
        yield client


class Little(nn.Module):
    """A residual network of two widths; one of its convs is depthwise."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.wide = nn.Conv2d(16, 32, 1)
        self.deep = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.back = nn.Conv2d(32, 16, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = x + self.back(torch.relu(self.deep(torch.relu(self.wide(x)))))
        x = torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)
        logits: torch.Tensor = self.head(x)
        return logits


@pytest.fixture(scope="session")
def space() -> Space:
    return Space.from_model(Little().eval(), torch.randn(1, 3, 16, 16), name="little")


@dataclass(frozen=True)
class Bench:
    """A service that knows a space, and a device `desk` whose target `desk-cpu` an agent has."""

    ctx: Context
    clock: HandClock
    space: Space
    agent: str
    target: str = "desk-cpu"

    def widths(self, block: str | None = None, **changed: int) -> dict[str, int]:
        """Dense widths of the network, or of a block, some of them changed."""
        part = self.space if block is None else self.space.block(block)
        return {w.name: w.max for w in part.widths} | changed

    def workload(self, block: str | None = None, **changed: int) -> dict[str, Any]:
        return {
            "space": self.space.hash,
            "block": block,
            "widths": self.widths(block, **changed),
            "batch": 1,
        }

    def complete(self, token: str, completion: Completion) -> IngestResult:
        """End the job of a lease, as its agent does."""
        return job_completion.complete(self.ctx, leasing.find_job(self.ctx, token), completion)

    def fail(self, token: str, failure: JobFailure) -> None:
        """Give the job of a lease back, as its agent does."""
        leasing.fail(self.ctx, leasing.find_job(self.ctx, token), failure)

    def sample(self, ms: float = 1.0, block: str | None = None, **fields: Any) -> Sample:
        kind = "network" if block is None else "block"
        fields.setdefault("workload", self.workload(block))
        return Sample.model_validate({"kind": kind, "latency_ms": ms} | fields)


def bench_on(ctx: Context, clock: HandClock, space: Space) -> Bench:
    spaces_.add(ctx, space.to_bytes())
    registration = Registration(
        device="desk",
        facts=DeviceFacts(cpu="a CPU", cores=2),
        targets=(TargetSpec(name="desk-cpu", runtime="onnxruntime", threads=1),),
        agent_version="1",
    )
    return Bench(ctx, clock, space, agents.register(ctx, registration).agent)


@pytest.fixture
def bench(ctx: Context, clock: HandClock, space: Space) -> Bench:
    """A service with a space and a target, once on each engine."""
    return bench_on(ctx, clock, space)


@pytest.fixture
def lite_bench(lite: Context, clock: HandClock, space: Space) -> Bench:
    """The same on SQLite alone."""
    return bench_on(lite, clock, space)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, space: Space
) -> Iterator[Bench]:
    """A bench that the tests of a module share, once on each engine: for what takes long to get
    ready."""
    with ExitStack() as held:
        if request.param == "sqlite":
            path = tmp_path_factory.mktemp("shared") / "lpnet.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
            url = f"sqlite:///{path}"
        else:
            server = request.getfixturevalue("postgres")
            url = held.enter_context(postgres_.database(server, "template_lpnet"))
        clock = HandClock()
        context_ = context(Settings(database_url=url), clock=clock)
        held.callback(context_.db.close)
        yield bench_on(context_, clock, space)


@pytest.fixture
def command(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs a command of `lpnet-service` on the fresh database, once on each engine."""
    monkeypatch.setenv("LPNET_DATABASE_URL", url)

    def run(*arguments: str, exits: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == exits, result.output
        return result

    yield run
    # A command sends the logs of its process to its own standard error.
    structlog.reset_defaults()


@pytest.fixture
def register(ctx: Context) -> Callable[..., str]:
    """Registers a device with targets; returns the agent's id."""

    def register_(device: str, *targets: TargetSpec, machine: str | None = None) -> str:
        registration = Registration(
            device=device,
            facts=DeviceFacts(),
            targets=targets,
            agent_version="1",
            machine=machine,
        )
        return agents.register(ctx, registration).agent

    return register_
