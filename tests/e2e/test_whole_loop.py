"""The whole loop with real processes: measure, store, train, predict, differentiate, export.

The device is simulated, so nothing here depends on how fast or how busy this machine is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.harness.simulation import simulated_device

import lpnet
from lpnet import samples_file
from lpnet.errors import LpnetError, NotCovered, NotFound, WidthsError
from lpnet.schemas.report import Report
from lpnet_demo.processes import LocalLoop


@pytest.fixture(scope="module")
def space() -> lpnet.Space:
    return lpnet.zoo.space("resnet20")


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLoop]:
    with simulated_device(), LocalLoop(tmp_path_factory.mktemp("loop")) as running:
        yield running


@pytest.fixture(scope="module")
def target(loop: LocalLoop) -> str:
    return loop.wait_for_target()


@pytest.fixture(scope="module")
def report(loop: LocalLoop, target: str, space: lpnet.Space) -> Report:
    return loop.client.profile(
        target, space, blocks=60, networks=24, pruned=4, repeats=4, progress=_silent
    )


def _silent(stage: str, done: float, total: float) -> None:
    assert 0 <= done <= total, stage


def command(loop: LocalLoop, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from lpnet.cli.main import app; app()", *arguments],
        env={**os.environ, "LPNET_URL": loop.url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def test_the_report_is_complete(report: Report, target: str) -> None:
    assert report.target == target
    held = report.held_out
    assert held.network is not None
    assert held.network.n >= 10
    assert held.block is not None
    assert report.baselines.flops_linear.network is not None
    for path in ("cuts", "granule_change", "regret_pct"):
        assert (getattr(report, path) is None) == (path in report.reasons)
    assert report.interval_block is not None


def test_the_target_shows_what_was_learned(loop: LocalLoop, target: str, report: Report) -> None:
    shown = loop.client.target(target)
    assert shown.lpnet is not None
    assert shown.samples >= 88
    assert report.held_out.network is not None
    assert shown.network_mape_pct == pytest.approx(report.held_out.network.mape_pct)
    versions = loop.client.lpnets(target)
    assert [v.active for v in versions] == [True]


def test_local_and_remote_predictions_agree(
    loop: LocalLoop, target: str, space: lpnet.Space, report: Report
) -> None:
    predictor = loop.client.predictor(target, space)
    widths = torch.tensor(np.stack([space.dense, space.dense // 2]), dtype=torch.float32)
    widths.requires_grad_(True)
    local = predictor(widths)
    local.sum().backward()
    low, high = predictor.interval(widths, coverage=0.9)
    remote = loop.client.predict(target, space, widths.tolist(), gradient=True)
    for row, answer in enumerate(remote):
        assert answer.latency_ms == pytest.approx(local[row].item(), rel=1e-4)
        assert answer.low_ms == pytest.approx(low[row].item(), rel=1e-3)
        assert answer.high_ms == pytest.approx(high[row].item(), rel=1e-3)
        assert answer.gradient is not None
        assert list(answer.gradient) == [width.name for width in space.widths]
        assert widths.grad is not None
        assert list(answer.gradient.values()) == pytest.approx(
            widths.grad[row].tolist(), rel=1e-2, abs=1e-6
        )


def test_a_list_of_ops_is_predicted_as_its_space_is(
    loop: LocalLoop, target: str, space: lpnet.Space, report: Report, tmp_path: Path
) -> None:
    file = tmp_path / "ops.json"
    ops = [op.model_dump(mode="json") for op in space.ops(space.dense)]
    file.write_text(json.dumps(ops))
    done = command(loop, "predict", target, "--ops", str(file), "--json")
    assert done.returncode == 0, done.stderr
    (by_ops,) = json.loads(done.stdout)
    (by_space,) = loop.client.predict(target, space, space.named(space.dense))
    assert by_ops["latency_ms"] == pytest.approx(by_space.latency_ms, rel=1e-3)
    assert by_ops["low_ms"] < by_ops["latency_ms"] < by_ops["high_ms"]
    ops[3]["c_in"] = ops[3]["c_out"] = 7
    file.write_text(json.dumps(ops))
    wrong = command(loop, "predict", target, "--ops", str(file))
    assert wrong.returncode == 1
    assert "ops[3]" in wrong.stderr


def test_measure_answers_in_the_order_asked(
    loop: LocalLoop, target: str, space: lpnet.Space
) -> None:
    half = space.named(space.dense // 2)
    asked = [space.named(space.dense), half, space.named(space.dense)]
    found = loop.client.measure(target, space, asked)
    widths = [getattr(sample.workload, "widths", None) for sample in found]
    assert widths == asked
    assert found[0].latency_ms > found[1].latency_ms
    assert len({sample.id for sample in found}) == 3


def test_a_space_the_service_never_saw_is_given_to_it(
    loop: LocalLoop, target: str, report: Report
) -> None:
    """Same ops, so the LPNet covers it; another resolution, so another space."""
    other = lpnet.zoo.space("resnet20").at(resolution=24)
    (answer,) = loop.client.predict(target, other, other.named(other.dense))
    assert answer.low_ms < answer.latency_ms < answer.high_ms


def test_ops_never_seen_are_named_instead_of_priced(
    loop: LocalLoop, target: str, report: Report
) -> None:
    other = lpnet.zoo.space("mobilenet_v2_32")
    with pytest.raises(NotCovered, match="depthwise"):
        loop.client.predict(target, other, other.named(other.dense))
    with pytest.raises(NotCovered, match="depthwise"):
        loop.client.predictor(target, other)


def test_what_a_predictor_chose_can_be_measured_as_it_is(
    loop: LocalLoop, target: str, space: lpnet.Space, report: Report
) -> None:
    predictor = loop.client.predictor(target, space)
    chosen = predictor.widest(0.7 * predictor(space.dense.tolist()).item(), keep=0.1)
    (sample,) = loop.client.measure(target, space, chosen)
    assert getattr(sample.workload, "widths", None) == space.named(chosen.tolist())
    (answer,) = loop.client.predict(target, space, chosen)
    assert answer.latency_ms == pytest.approx(predictor(chosen).item(), rel=1e-4)


def test_wrong_widths_are_named_here_and_there(
    loop: LocalLoop, target: str, space: lpnet.Space, report: Report
) -> None:
    wrong = {**space.named(space.dense), "conv1": 17}
    with pytest.raises(WidthsError, match="conv1"):
        loop.client.predict(target, space, wrong)
    with pytest.raises(WidthsError, match="conv1"):
        loop.client.measure(target, space, wrong)
    with pytest.raises(WidthsError):
        loop.client.predict(target, space, [float("nan")] * len(space.widths))


def test_an_unknown_target_is_an_error(loop: LocalLoop, space: lpnet.Space) -> None:
    with pytest.raises(NotFound, match="no-such-target"):
        loop.client.target("no-such-target")
    with pytest.raises(NotFound):
        loop.client.measure("no-such-target", space, space.named(space.dense))


def test_export_and_import_round_trip(
    loop: LocalLoop, target: str, report: Report, tmp_path: Path
) -> None:
    out = tmp_path / "samples.jsonl"
    assert command(loop, "export", target, "--out", str(out)).returncode == 0
    exported = samples_file.read(out)
    assert not exported.bad
    assert len(exported.samples) >= 88

    # Another target, so other samples: ids belong to whoever measured.
    copy = tmp_path / "copy.jsonl"
    samples_file.write(copy, [s.model_copy(update={"id": None}) for s in exported.samples])
    done = command(loop, "import", "--target", "copied", str(copy), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == len(exported.samples)
    again = command(loop, "import", "--target", "copied", str(copy), "--json")
    assert json.loads(again.stdout)["stored"] == 0

    back = tmp_path / "back.jsonl"
    assert command(loop, "export", "copied", "--out", str(back)).returncode == 0
    strip = {"id": None}
    assert [s.model_copy(update=strip) for s in samples_file.read(back).samples] == [
        s.model_copy(update=strip) for s in samples_file.read(copy).samples
    ]
    imported = loop.client.target("copied")
    assert imported.source == "imported"
    assert imported.spec.runtime is None


def test_a_wrong_line_stops_the_import(loop: LocalLoop, tmp_path: Path) -> None:
    good = {"workload": {"ops": [{"type": "linear", "c_in": 3, "c_out": 4}]}, "latency_ms": 1.5}
    bad = {**good, "latency_ms": -1}
    unknown = {"workload": {"space": "0" * 64, "widths": {}}, "latency_ms": 1.0}
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in (good, bad, unknown)) + "\n")
    stopped = command(loop, "import", "--target", "mixed", str(path))
    assert stopped.returncode == 1
    assert "line 2" in stopped.stderr
    assert "line 3" in stopped.stderr
    assert "nothing was imported" in stopped.stderr
    with pytest.raises(NotFound):
        loop.client.target("mixed")
    skipped = command(loop, "import", "--target", "mixed", "--skip-bad", str(path), "--json")
    assert skipped.returncode == 0, skipped.stderr
    assert json.loads(skipped.stdout) == {"stored": 1, "known": 0, "skipped": 2}


@pytest.mark.slow
def test_a_study_publishes_nothing(loop: LocalLoop, target: str, report: Report) -> None:
    before = loop.client.lpnets(target)
    done = command(loop, "study", target, "--samples", "50", "--seed", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = Report.model_validate_json(done.stdout)
    assert found.lpnet is None
    assert found.seed == 3
    assert found.trained_on.block + found.trained_on.network == 50
    assert loop.client.lpnets(target) == before


@pytest.mark.parametrize("listing", [["devices"], ["targets"], ["table"], ["report"]])
def test_listings_read_by_people_and_by_programs(
    loop: LocalLoop, target: str, report: Report, listing: list[str]
) -> None:
    arguments = listing if listing[0].endswith("s") else [*listing, target]
    shown = command(loop, *arguments)
    assert shown.returncode == 0, shown.stderr
    assert target in shown.stdout
    plain = command(loop, *arguments, "--json")
    assert json.loads(plain.stdout)


def test_a_target_without_samples_cannot_be_trained(loop: LocalLoop, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    line = {"workload": {"ops": [{"type": "linear", "c_in": 3, "c_out": 4}]}, "latency_ms": 1.5}
    path.write_text(json.dumps(line) + "\n")
    assert command(loop, "import", "--target", "tiny", str(path)).returncode == 0
    with pytest.raises(LpnetError, match="sample"):
        loop.client.train("tiny")


@pytest.mark.slow
def test_a_pruning_job_is_killed_goes_on_and_says_whether_it_kept_its_promise(
    loop: LocalLoop, target: str, report: Report, space: lpnet.Space, tmp_path: Path
) -> None:
    asked = (
        *("prune", "--target", target, "--model", "resnet20", "--data", "digits"),
        *("--budget", "70%", "--pretrain", "2", "--gate", "2", "--tune", "1"),
        *("--threads", "1", "--out", str(tmp_path / "job"), "--json"),
    )
    first = subprocess.Popen(
        [sys.executable, "-c", "from lpnet.cli.main import app; app()", *asked],
        env={**os.environ, "LPNET_URL": loop.url},
        stdout=subprocess.DEVNULL,
    )
    checkpoint = tmp_path / "job" / "checkpoint.pt"
    deadline = time.monotonic() + 600
    while not (checkpoint.exists() and checkpoint.stat().st_size > 1_000_000):
        assert first.poll() is None
        assert time.monotonic() < deadline, "an epoch was saved"
        time.sleep(0.1)
    first.kill()
    first.wait()
    done = command(loop, *asked)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["budget_ms"] == pytest.approx(0.7 * found["dense_ms"])
    chosen = found["chosen"]
    assert chosen in found["rounds"]
    share = chosen["measured_ms"] / found["budget_ms"]
    assert found["kept"] is (0.93 <= share <= 1.02)
    assert chosen["measured_ms"] < found["dense_ms"]
    assert space.macs(chosen["widths"]) == found["macs_after"] < found["macs_before"]
    assert 0 <= found["accuracy_after"] <= 1
    assert set(found["seconds"]) == {"pretrain", "gate", "tune"}
    told = {one.round: one for one in loop.client.prunings(target=target)}
    measured = [n for n, one in enumerate(found["rounds"], 1) if one["measured_ms"] is not None]
    assert sorted(told) == measured
    (kept,) = [one for one in told.values() if one.chosen]
    assert (kept.widths, kept.measured_ms) == (chosen["widths"], chosen["measured_ms"])
    assert kept.accuracy_after == found["accuracy_after"]
    for name in ("report", "widths", "weights", "onnx"):
        assert Path(found[name]).stat().st_size > 0
    refused = command(loop, *asked[:-1], "--seed", "1")
    assert refused.returncode == 1
    assert "belongs to another job" in refused.stderr
