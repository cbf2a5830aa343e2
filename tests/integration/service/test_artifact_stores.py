"""Stores of artifacts: one contract for all, and what the service does where a store fails."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from tests.harness import s3
from tests.harness.publishing import publish, train
from typer.testing import Result

from lpnet.noise import NoiseFloor
from lpnet.schemas.lpnet import NewTraining
from lpnet.space.table import OpTable
from lpnet_service.api.app import Application
from lpnet_service.artifacts.opening import open_store
from lpnet_service.artifacts.protocol import MAX_BYTES, ArtifactStore
from lpnet_service.errors import DamagedArtifact, NoArtifact, SetupError
from lpnet_service.services.learning import lpnets, trainings
from lpnet_service.services.learning.lpnets import ActivationDecision
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.shared import artifacts
from lpnet_service.services.shared.context import Context, context
from lpnet_service.training import Record
from lpnet_service.worker import activation
from lpnet_service.worker.dataset import Dataset
from lpnet_service.worker.loop import tick

Bench = Any
Command = Callable[..., Result]
CONTENT = b"weights \x00 of an LPNet"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[s3.Bucket]:
    """An S3 server, and this process set to talk to it."""
    with s3.bucket() as bucket_:
        for name, value in bucket_.environment.items():
            monkeypatch.setenv(name, value)
        yield bucket_


@pytest.fixture(params=["database", "file", "s3"])
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """LPNET_ARTIFACTS, once of each store that can be tried here."""
    if request.param == "s3":
        request.getfixturevalue("bucket")
        return f"s3://{s3.BUCKET}/some/folder"
    return "database" if request.param == "database" else f"file://{tmp_path}/artifacts"


@pytest.fixture
def store(setting: str, ctx: Context) -> ArtifactStore:
    return open_store(setting, ctx.db, ctx.clock)


def test_what_is_kept_is_found(store: ArtifactStore) -> None:
    assert store.put(CONTENT) == SHA256
    assert store.get(SHA256) == CONTENT
    large = bytes(range(256)) * 20_000
    assert store.get(store.put(large)) == large
    assert store.get(store.put(b"")) == b""


def test_keeping_again_changes_nothing(store: ArtifactStore) -> None:
    assert store.put(CONTENT) == store.put(CONTENT) == SHA256
    assert store.get(SHA256) == CONTENT


def test_what_was_never_kept_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(DamagedArtifact, match=SHA256):
        store.get(SHA256)


def test_what_is_deleted_is_gone_and_may_be_kept_again(store: ArtifactStore) -> None:
    store.put(CONTENT)
    other = store.put(b"other")
    store.delete(SHA256)
    store.delete(SHA256)
    with pytest.raises(DamagedArtifact):
        store.get(SHA256)
    assert store.get(other) == b"other"
    assert store.put(CONTENT) == SHA256
    assert store.get(SHA256) == CONTENT


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT[:-1] + b"!", b""])
def test_what_was_changed_or_cut_off_is_refused(
    store: ArtifactStore, setting: str, wrong: bytes, request: pytest.FixtureRequest
) -> None:
    store.put(CONTENT)
    if setting == "database":
        ctx = request.getfixturevalue("ctx")
        with ctx.db.engine.begin() as connection:
            connection.execute(text("UPDATE artifacts SET content = :wrong"), {"wrong": wrong})
    elif setting.startswith("file://"):
        (Path(setting.removeprefix("file://")) / SHA256).write_bytes(wrong)
    else:
        request.getfixturevalue("bucket").objects[f"some/folder/{SHA256}"] = wrong
    with pytest.raises(DamagedArtifact, match="was changed after it was written"):
        store.get(SHA256)
    store.put(CONTENT)
    assert store.get(SHA256) == CONTENT


def test_what_is_far_too_large_is_not_read(lite: Context, tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/artifacts", lite.db, lite.clock)
    store.put(CONTENT)
    with (tmp_path / "artifacts" / SHA256).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DamagedArtifact, match=str(MAX_BYTES + 1)):
        store.get(SHA256)


@pytest.mark.parametrize("status", [403, 500])
def test_a_store_that_refuses_is_said(lite: Context, bucket: s3.Bucket, status: int) -> None:
    store = open_store(f"s3://{s3.BUCKET}", lite.db, lite.clock)
    bucket.status = status
    for act in (lambda: store.put(CONTENT), lambda: store.get(SHA256)):
        with pytest.raises(NoArtifact, match=r"cannot be (written|read) \(LPNET_ARTIFACTS\)"):
            act()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("disk", "must be `database` or a URL"),
        ("http://me:secret@somewhere/x", "must be `database` or a URL"),
        ("file://host/x", "LPNET_ARTIFACTS: "),
        ("s3://", "LPNET_ARTIFACTS: "),
    ],
)
def test_a_setting_that_is_wrong_is_named(lite: Context, setting: str, message: str) -> None:
    with pytest.raises(SetupError, match="LPNET_ARTIFACTS") as caught:
        open_store(setting, lite.db, lite.clock)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_its_extra_it_says_what_to_install(
    lite: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "lpnet_service.artifacts.objects", False)
    with pytest.raises(SetupError, match=r"pip install .*\[cloud\]"):
        open_store("s3://bucket", lite.db, lite.clock)


def moved_to(bench: Bench, setting: str) -> Bench:
    """The same service, with its artifacts elsewhere from now on."""
    settings = bench.ctx.settings.model_copy(update={"artifacts": setting})
    return replace(bench, ctx=context(settings, db=bench.ctx.db, clock=bench.clock))


def test_an_lpnet_is_kept_in_the_store_and_given_out(bench: Bench, setting: str) -> None:
    bench = moved_to(bench, setting)
    info = train(bench)
    content = lpnets.weights(bench.ctx, info.id)
    assert hashlib.sha256(content).hexdigest() == info.weights_sha256
    with bench.ctx.db.snapshot() as connection:
        (in_rows,) = connection.execute(text("SELECT length(content) FROM artifacts")).one()
    assert in_rows == (len(content) if setting == "database" else 0)
    assert list(artifacts.check(bench.ctx)) == [(info.weights_sha256, None)]


def test_a_store_out_of_reach_is_a_503_and_a_failed_run(
    lite_bench: Bench, bucket: s3.Bucket
) -> None:
    bench = moved_to(lite_bench, f"s3://{s3.BUCKET}")
    info = train(bench)
    bucket.status = 500
    http = TestClient(Application(bench.ctx), raise_server_exceptions=False)
    answer = http.get(f"/v1/lpnets/{info.id}/weights")
    assert (answer.status_code, answer.json()["code"]) == (503, "no_artifact")
    request = {"target": bench.target, "space": bench.space.hash, "widths": [bench.widths()]}
    answer = http.post("/v1/predictions", json=request)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_artifact")
    training = trainings.start(bench.ctx, bench.target, NewTraining(seed=1))

    def work(_ctx: Context, run: ClaimedRun, _progress: object) -> None:
        publish(bench, run, 1)

    assert tick(bench.ctx, {"training": work})
    failed = trainings.get(bench.ctx, training.id)
    assert failed.state == "failed"
    assert "NoArtifact: the artifact store cannot be written" in str(failed.error)
    assert [version.id for version in lpnets.of_target(bench.ctx, bench.target)] == [info.id]
    bucket.status = None
    assert http.post("/v1/predictions", json=request).status_code == 200
    # What is in memory answers on.
    bucket.status = 500
    assert http.post("/v1/predictions", json=request).status_code == 200


def test_a_changed_file_is_not_loaded_and_the_next_lpnet_takes_over(
    lite_bench: Bench, bucket: s3.Bucket
) -> None:
    bench = moved_to(lite_bench, f"s3://{s3.BUCKET}")
    info = train(bench)
    whole = bucket.objects[info.weights_sha256]
    bucket.objects[info.weights_sha256] = whole[:-4] + b"\0\0\0\1"
    http = TestClient(Application(bench.ctx), raise_server_exceptions=False)
    request = {"target": bench.target, "space": bench.space.hash, "widths": [bench.widths()]}
    answer = http.post("/v1/predictions", json=request)
    assert answer.status_code == 503
    assert "was changed after it was written" in answer.json()["detail"]
    ((_, fault),) = artifacts.check(bench.ctx)
    assert isinstance(fault, DamagedArtifact)
    data = Dataset(bench.target, 1, NoiseFloor(0), (_held_out(),))
    assert activation.decide(bench.ctx, b"", data) == ActivationDecision(info.id, takes_over=True)
    # Out of reach is not gone: the one in use is not given up for that.
    bucket.status = 500
    with pytest.raises(NoArtifact):
        activation.decide(bench.ctx, b"", data)


def _held_out() -> Any:
    return Record(
        key="k",
        kind="block",
        table=OpTable.from_ops(()),
        batch=1,
        latency_ms=1.0,
        draw=None,
        space=None,
        widths=None,
        held_out=True,
    )


def test_files_move_between_stores_while_the_service_goes_on(
    bench: Bench, bucket: s3.Bucket, tmp_path: Path
) -> None:
    first = train(bench)
    content = lpnets.weights(bench.ctx, first.id)
    cloud = moved_to(bench, f"s3://{s3.BUCKET}/a")
    # The old one is where it was, and found; the new one is in the cloud.
    second = train(cloud, seed=1)
    assert lpnets.weights(cloud.ctx, first.id) == content
    sources = cloud.ctx.artifacts
    outcome = {sha256: what for sha256, what in artifacts.move(cloud.ctx, sources)}
    assert outcome == {first.weights_sha256: "moved", second.weights_sha256: "there"}
    assert set(bucket.objects) == {f"a/{version.weights_sha256}" for version in (first, second)}
    assert lpnets.weights(cloud.ctx, first.id) == content
    folder = moved_to(bench, f"file://{tmp_path}/artifacts")
    with pytest.raises(DamagedArtifact, match="is missing"):
        lpnets.weights(folder.ctx, first.id)
    assert {what for _, what in artifacts.move(folder.ctx, sources)} == {"moved"}
    assert lpnets.weights(folder.ctx, first.id) == content
    # And home again, by way of one that is missing there.
    (tmp_path / "artifacts" / second.weights_sha256).unlink()
    outcome = {sha256: what for sha256, what in artifacts.move(bench.ctx, folder.ctx.artifacts)}
    assert outcome[first.weights_sha256] == "moved"
    assert isinstance(outcome[second.weights_sha256], DamagedArtifact)
    assert lpnets.weights(bench.ctx, first.id) == content
    with pytest.raises(DamagedArtifact, match="artifacts move"):
        lpnets.weights(bench.ctx, second.id)


def test_what_nobody_names_is_swept_and_what_was_just_kept_is_spared(
    bench: Bench, setting: str
) -> None:
    bench = moved_to(bench, setting)
    info = train(bench)
    lost = artifacts.keep(bench.ctx, CONTENT)
    bench.clock.advance(timedelta(days=2).total_seconds())
    assert artifacts.unused(bench.ctx) == 1
    artifacts.keep(bench.ctx, CONTENT)
    assert artifacts.sweep(bench.ctx) == 0
    bench.clock.advance(timedelta(days=2).total_seconds())
    assert artifacts.sweep(bench.ctx) == 1
    with pytest.raises(DamagedArtifact):
        bench.ctx.artifacts.get(lost)
    assert lpnets.weights(bench.ctx, info.id)


def test_the_commands_check_and_move(
    bench: Bench, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = train(bench)
    monkeypatch.setenv("LPNET_ARTIFACTS", f"file://{tmp_path}/artifacts")

    def output_of(name: str, exits: int = 0) -> Any:
        return json.loads(command("artifacts", name, "--json", exits=exits).stdout)

    assert output_of("move") == {"moved": 1, "failed": {}}
    assert output_of("move") == {"there": 1, "failed": {}}
    assert output_of("check") == {"fine": 1, "failed": {}}
    (tmp_path / "artifacts" / info.weights_sha256).write_bytes(b"other")
    assert list(output_of("check", exits=1)["failed"]) == [info.weights_sha256]
