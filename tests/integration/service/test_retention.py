"""What `lpnet-service retain` deletes, and what it never does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session
from tests.harness.publishing import train
from tests.harness.tallies import check_tallies
from typer.testing import Result

from lpnet import samples_file
from lpnet.schemas.campaign import (
    Campaign,
    Completion,
    ItemFailure,
    NewCampaign,
    PlannedWorkload,
)
from lpnet.schemas.lpnet import NewStudy, NewTraining
from lpnet.schemas.sample import Sample, SampleBatch
from lpnet_service.db.rows import (
    CampaignRow,
    JobRow,
    LPNetRow,
    MemoryFailureRow,
    RunRow,
    SampleRow,
    SessionRow,
    SideRow,
    TokenRow,
)
from lpnet_service.errors import DamagedArtifact
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.learning import lpnets, runs, trainings
from lpnet_service.services.measuring import campaigns, ingest, leasing
from lpnet_service.services.reading import samples, sentinels, table
from lpnet_service.services.shared import artifacts, targets
from lpnet_service.services.upkeep import retention
from lpnet_service.worker import dataset

Bench = Any
DAY_S = 86_400.0


def keep_days(bench: Bench, days: float = 180) -> datetime:
    return bench.clock.now() - timedelta(days=days)  # type: ignore[no-any-return]


def store(bench: Bench, *samples: Sample) -> None:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


def measure(bench: Bench, *stems: int, disturbed: bool = False, ends: bool = True) -> Campaign:
    """A campaign of a network for each stem; its last one is not measured unless it `ends`."""
    planned = tuple(
        PlannedWorkload(kind="network", workload=bench.workload(stem=stem)) for stem in stems
    )
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=planned)
    campaign = campaigns.create(bench.ctx, new)
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        completion = Completion(
            samples=tuple(
                bench.sample(
                    id=item.id,
                    workload=item.workload.model_dump(),
                    measured_at=bench.clock.now(),
                    disturbed=disturbed,
                )
                for item in lease.items
            )
        )
        if not ends:
            batch = SampleBatch(target=bench.target, samples=completion.samples)
            ingest.store(bench.ctx, batch)
            break
        bench.complete(lease.token, completion)
        bench.clock.advance(61)
    return campaigns.get(bench.ctx, campaign.id)


def check_device(bench: Bench, count: int) -> None:
    for number in range(count):
        store(bench, bench.sample(2.0 + 0.01 * number, sentinel="memory"))
        bench.clock.advance(60)


def begin_epoch(bench: Bench) -> None:
    with bench.ctx.db.write() as session:
        row = DeviceRepository(session).lock_target(bench.target)
        assert row is not None
        row.open_epoch(bench.clock.now())


@pytest.fixture
def aged(bench: Bench) -> Bench:
    """A target with a year of life: a superseded epoch, the current one, and some of yesterday."""
    measure(bench, 4, 5)
    store(bench, bench.sample(workload=bench.workload(stem=6), disturbed=True))
    check_device(bench, 2)
    dataset.draw_missing_sides(bench.ctx, bench.target)
    train(bench)
    bench.clock.advance(10 * DAY_S)
    begin_epoch(bench)
    measure(bench, 7, 8)
    store(bench, bench.sample(workload=bench.workload(stem=9), disturbed=True))
    check_device(bench, 8)
    dataset.draw_missing_sides(bench.ctx, bench.target)
    train(bench, seed=1)
    failed = trainings.start(bench.ctx, bench.target, NewTraining())
    trainings.cancel(bench.ctx, failed.id)
    study(bench)
    bench.clock.advance(340 * DAY_S)
    store(bench, bench.sample(workload=bench.workload(stem=10), disturbed=True))
    check_device(bench, 1)
    return bench


def study(bench: Bench) -> None:
    trainings.study(bench.ctx, bench.target, NewStudy(samples=2))
    run = runs.claim(bench.ctx)
    assert run is not None
    (active,) = (
        version for version in lpnets.of_target(bench.ctx, bench.target) if version.active
    )
    runs.finish_study(bench.ctx, run, lpnets.report(bench.ctx, active.id))


def answers(bench: Bench) -> dict[str, Any]:
    """What the service says of the target that must not change."""
    ctx, name = bench.ctx, bench.target
    (active,) = (version for version in lpnets.of_target(ctx, name) if version.active)
    history = sentinels.history(ctx, name, 1)
    rows = table.page(
        ctx, name, {"disturbed": False}, sort="measured_at", after=None, limit=500
    ).items
    return {
        "target": targets.get_target(ctx, name).model_dump(exclude={"samples"}),
        "active": active,
        "report": lpnets.report(ctx, active.id),
        "weights": lpnets.weights(ctx, active.id),
        "table": rows,
        "levels": (history.level_ms, history.limit_pct, history.items),
        "training": [record.key for record in dataset.load(ctx, name).records],
        "held out": [record.held_out for record in dataset.load(ctx, name).records],
    }


def ids(bench: Bench) -> set[str]:
    items = samples.page(bench.ctx, {"target": bench.target}, after=None, limit=1000).items
    return {item.id for item in items}


def test_what_is_said_is_what_goes_and_what_is_in_use_stays(aged: Bench, tmp_path: Path) -> None:
    before, all_ids = answers(aged), ids(aged)
    expected = retention.preview(aged.ctx, keep_days(aged))
    assert ids(aged) == all_ids
    # Of the first epoch two of a campaign, one disturbed, two checks and the network that the
    # LPNet was trained on; of this one the disturbed and three checks behind the first five.
    gone = expected.targets[aged.target]
    assert gone.samples == {"superseded": 6, "disturbed": 1, "sentinel": 3}
    assert gone.rows == {
        "campaigns": 1,
        "jobs": 1,
        "runs": 3,
        "lpnets": 1,
        "workload_sides": 2,
    }
    done = retention.retain(aged.ctx, keep_days(aged), tmp_path)
    assert done.targets == expected.targets
    assert answers(aged) == before
    check_tallies(aged.ctx.db)
    lines = (tmp_path / f"{aged.target}.jsonl").read_text().splitlines()
    exported = {json.loads(line)["id"] for line in lines}
    assert len(lines) == 10
    assert (exported | ids(aged), exported & ids(aged)) == (all_ids, set())
    (left,) = campaigns.page(aged.ctx, limit=10).items
    assert (left.measured, left.failed) == (2, 0)
    again = retention.retain(aged.ctx, keep_days(aged)).targets[aged.target]
    assert (again.samples, again.rows) == ({}, {})


def test_the_study_stays_and_numbers_of_versions_are_not_given_twice(aged: Bench) -> None:
    retention.retain(aged.ctx, keep_days(aged, 0))
    with aged.ctx.db.read() as session:
        assert session.scalars(select(RunRow.kind)).all() == ["study"]
    assert [version.version for version in lpnets.of_target(aged.ctx, aged.target)] == [2]
    assert train(aged, seed=3).version == 3


def test_files_of_lpnets_that_went_are_swept(aged: Bench) -> None:
    with aged.ctx.db.read() as session:
        old, active = (version.weights_sha256 for version in _versions(session))
    assert retention.retain(aged.ctx, keep_days(aged)).artifacts == 1
    assert artifacts.read(aged.ctx, active)
    with pytest.raises(DamagedArtifact, match="is missing"):
        artifacts.read(aged.ctx, old)


def _versions(session: Session) -> list[LPNetRow]:
    return list(session.scalars(select(LPNetRow).order_by(LPNetRow.version)))


def test_exported_samples_are_imported_again(aged: Bench, tmp_path: Path) -> None:
    retention.retain(aged.ctx, keep_days(aged), tmp_path)
    read = samples_file.read(tmp_path / f"{aged.target}.jsonl", target="desk-archive")
    assert not read.bad
    batch = SampleBatch(target="desk-archive", samples=tuple(read.samples))
    assert ingest.store(aged.ctx, batch, create=True).stored == 10
    text = "".join(samples.export(aged.ctx, "desk-archive", "jsonl"))
    assert text == (tmp_path / f"{aged.target}.jsonl").read_text()


def test_an_epoch_that_the_lpnet_in_use_was_trained_in_stays(aged: Bench) -> None:
    begin_epoch(aged)
    store(aged, aged.sample(workload=aged.workload(stem=11)))
    gone = retention.preview(aged.ctx, keep_days(aged)).targets[aged.target]
    assert gone.samples == {"superseded": 6, "disturbed": 1, "sentinel": 3}
    before = answers(aged)
    retention.retain(aged.ctx, keep_days(aged))
    assert answers(aged) == before


def test_nothing_young_goes(aged: Bench) -> None:
    result = retention.retain(aged.ctx, keep_days(aged, 1000))
    assert result.targets[aged.target].samples == {}
    assert result.targets[aged.target].rows == {}


def test_a_campaign_that_goes_on_keeps_its_samples(bench: Bench) -> None:
    open_ = measure(bench, 4, disturbed=True, ends=False)
    with bench.ctx.db.write() as session:
        for row in session.scalars(select(SampleRow)):
            row.campaign = open_.id
    bench.clock.advance(400 * DAY_S)
    kept = ids(bench)
    begin_epoch(bench)
    retention.retain(bench.ctx, keep_days(bench))
    assert ids(bench) == kept
    campaigns.cancel(bench.ctx, open_.id)
    bench.clock.advance(200 * DAY_S)
    done = retention.retain(bench.ctx, keep_days(bench)).targets[bench.target]
    assert done.samples == {"superseded": 1}
    assert (done.rows["campaigns"], done.rows["jobs"]) == (1, 1)
    with bench.ctx.db.read() as session:
        assert session.scalars(select(CampaignRow)).all() == []
        assert session.scalars(select(JobRow)).all() == []


def test_where_something_did_not_fit_a_disturbed_sample_says_that_it_did(bench: Bench) -> None:
    store(bench, bench.sample(workload=bench.workload(stem=4), disturbed=True))
    planned = PlannedWorkload(kind="network", workload=bench.workload())
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=(planned,))
    campaigns.create(bench.ctx, new)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    failure = ItemFailure(item=lease.items[0].id, reason="too large", out_of_memory=True)
    bench.complete(lease.token, Completion(failures=(failure,)))
    limits = targets.get_target(bench.ctx, bench.target).memory
    bench.clock.advance(400 * DAY_S)
    assert retention.retain(bench.ctx, keep_days(bench)).targets[bench.target].samples == {}
    assert targets.get_target(bench.ctx, bench.target).memory == limits
    assert limits is not None
    begin_epoch(bench)
    gone = retention.retain(bench.ctx, keep_days(bench, 0)).targets[bench.target]
    assert gone.rows["memory_failures"] == 1
    with bench.ctx.db.read() as session:
        assert session.scalars(select(MemoryFailureRow)).all() == []
        assert session.scalars(select(SideRow)).all() == []


def test_tokens_that_ended_go_with_their_sessions(bench: Bench) -> None:
    now = bench.clock.now()
    ends = {"lasts": None, "young": now - timedelta(days=1), "old": now - timedelta(days=9)}
    with bench.ctx.db.write() as session:
        for name, end in ends.items():
            row = {"id": name, "name": name, "sha256": name, "scopes": "admin", "created_at": now}
            session.add(TokenRow(**row, revoked_at=end))
            session.flush()
            later = now + timedelta(days=1)
            session.add(SessionRow(sha256=name, token=name, created_at=now, expires_at=later))
        early = now - timedelta(days=9)
        session.add(SessionRow(sha256="over", token="lasts", created_at=early, expires_at=early))
    expected = retention.preview(bench.ctx, keep_days(bench, 2)).tokens
    assert expected == {"sessions": 2, "tokens": 1}
    assert retention.retain(bench.ctx, keep_days(bench, 2)).tokens == expected
    with bench.ctx.db.read() as session:
        assert set(session.scalars(select(TokenRow.id))) == {"lasts", "young"}
        assert set(session.scalars(select(SessionRow.sha256))) == {"lasts", "young"}


@pytest.fixture
def commits(aged: Bench) -> Iterator[list[int]]:
    """How many units of work were done on the target's database."""
    calls = [0]

    def count(_connection: Any) -> None:
        calls[0] += 1

    event.listen(aged.ctx.db.engine, "commit", count)
    yield calls
    event.remove(aged.ctx.db.engine, "commit", count)


def test_a_unit_is_small(
    aged: Bench, commits: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that others write in between, and what is interrupted is not lost."""
    monkeypatch.setattr(retention, "_BATCH", 2)
    expected = retention.preview(aged.ctx, keep_days(aged)).targets[aged.target]
    commits[0] = 0
    done = retention.retain(aged.ctx, keep_days(aged), tmp_path).targets[aged.target]
    assert done == expected
    assert commits[0] >= 3 + 1 + 2 + 1 + 1
    lines = (tmp_path / f"{aged.target}.jsonl").read_text().splitlines()
    assert len(lines) == len({json.loads(line)["id"] for line in lines}) == 10


def test_the_command_says_what_would_go(
    aged: Bench,
    command: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lpnet_service.clock.SystemClock.now", lambda _clock: aged.clock.now())
    old = ("retain", "--older-than", "180d")
    dry = json.loads(command(*old, "--dry-run", "--json").stdout)
    assert dry["dry_run"]
    assert dry["targets"][aged.target]["samples"] == {
        "superseded": 6,
        "disturbed": 1,
        "sentinel": 3,
    }
    assert "samples, superseded" in command(*old, "--dry-run").stdout
    (tmp_path / "file").touch()
    refused = command(*old, "--export", str(tmp_path / "file" / "x"), exits=1)
    assert refused.stderr.startswith("error: --export ")
    done = json.loads(command(*old, "--export", str(tmp_path / "out"), "--json").stdout)
    assert done["targets"] == dry["targets"]
    assert len((tmp_path / "out" / f"{aged.target}.jsonl").read_text().splitlines()) == 10


@pytest.mark.parametrize("age", ["180", "-1d", "1.5d", "180 d", "9999999d", "999999d", ""])
def test_an_age_that_is_none_is_refused(command: Callable[..., Result], age: str) -> None:
    result = command("retain", "--older-than", age, exits=1)
    assert result.stderr.startswith("error: --older-than: ")
