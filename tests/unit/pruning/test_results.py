"""What a pruning job reports: each candidate that was measured, and the chosen one."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import onnx
import pytest
import torch
from safetensors.torch import load_file
from tests.harness import comb
from torch import nn

from lpnet.cli import pruning
from lpnet.cli.pruning import report_outcome
from lpnet.client import Client
from lpnet.errors import ServerUnreachable
from lpnet.model.ensemble import Ensemble
from lpnet.model.header import Calibration
from lpnet.predictor.predictor import Predictor
from lpnet.pruning.job.images import ImageDataset, LabelledImages
from lpnet.pruning.job.job import Outcome, Plan, Round
from lpnet.pruning.job.results import results
from lpnet.schemas.pruning import PruningResult
from lpnet.space.space import Space
from lpnet.subnormals import count_subnormals

PLAN = Plan(share=0.6, pretrain=2, gate=3, tune=4, seed=7)


@pytest.fixture
def small(predictor: Predictor) -> Predictor:
    space = Space.from_model(comb.network(), torch.zeros(1, 3, 32, 32), name="little")
    return Predictor(predictor.lpnet, space)


@pytest.fixture
def outcome(small: Predictor) -> Outcome:
    dense = small.space.named(small.space.dense)
    rounds = tuple(
        Round(0.5, 0.5, measured, dense | {"0": kept})
        for kept, measured in ((8, 0.6), (4, None), (6, 0.5))
    )
    return Outcome(
        job=f"prune-{1:024x}",
        began_at="2026-01-31T12:00:00+00:00",
        budget_ms=0.5,
        dense_ms=0.9,
        dense_predicted_ms=0.95,
        rounds=rounds,
        chosen=rounds[2],
        accuracy_before=0.9,
        accuracy_after=0.88,
        macs_before=small.space.macs(dense),
        macs_after=1,
        params_before=small.space.params(dense),
        params_after=1,
        seconds={"tune": 1.5},
        small=nn.Identity(),
    )


def told(outcome: Outcome, small: Predictor) -> list[PruningResult]:
    return results(outcome, PLAN, small, method="wgates", model="little", data="digits")


def test_measured_rounds_and_the_chosen_one_are_reported(
    outcome: Outcome, small: Predictor
) -> None:
    found = told(outcome, small)
    assert [(one.round, one.chosen, one.measured_ms) for one in found] == [
        (1, False, 0.6),
        (3, True, 0.5),
    ]
    assert [one.accuracy_after for one in found] == [None, 0.88]
    for one, kept in zip(found, (8, 6), strict=True):
        assert one.widths["0"] == kept
        assert one.macs_after == small.space.macs(one.widths) < one.macs_before
        assert one.params_after == small.space.params(one.widths) < one.params_before
        assert one.low_ms is not None
        low, high = small.interval(one.widths)
        assert one.low_ms == pytest.approx(float(low))
        assert one.high_ms == pytest.approx(float(high))
        assert one.epochs == {"pretrain": 2, "gate": 3, "tune": 4}
        assert (one.target, one.space, one.seed) == (small.target, small.space.hash, 7)
    nothing = replace(outcome, rounds=outcome.rounds[1:2], chosen=outcome.rounds[1])
    (one,) = told(nothing, small)
    assert (one.chosen, one.measured_ms) == (True, None)


def test_the_same_job_reports_under_the_same_ids(outcome: Outcome, small: Predictor) -> None:
    ids = [one.id for one in told(outcome, small)]
    assert len(set(ids)) == 2
    assert ids == [one.id for one in told(outcome, small)]
    other = replace(outcome, job=f"prune-{2:024x}")
    assert not set(ids) & {one.id for one in told(other, small)}


def test_an_lpnet_that_was_never_calibrated_has_no_interval(
    outcome: Outcome, small: Predictor
) -> None:
    never = Ensemble(small.lpnet.header.model_copy(update={"calibration": Calibration()}))
    (one, _) = told(outcome, Predictor(never.requires_grad_(False), small.space))
    assert (one.low_ms, one.high_ms, one.coverage) == (None, None, None)


class Service:
    """Stands in for a client: keeps what is reported, if it can be reached."""

    def __init__(self, reached: bool) -> None:
        self.kept: list[PruningResult] = []
        self.reached = reached

    def report_pruning(self, result: PruningResult, space: Space) -> PruningResult:
        if not self.reached:
            raise ServerUnreachable("nobody answers")
        self.kept.append(result)
        return result


def test_a_job_whose_results_cannot_be_reported_says_so_and_goes_on(
    outcome: Outcome, small: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Service(reached=True)
    report_outcome(cast(Client, service), outcome, PLAN, small, model="little", data="digits")
    assert [one.round for one in service.kept] == [1, 3]
    assert capsys.readouterr().err == ""
    away = cast(Client, Service(reached=False))
    report_outcome(away, outcome, PLAN, small, model="little", data="digits")
    assert "the service did not store the results: nobody answers" in capsys.readouterr().err
    long = "x" * 201
    report_outcome(cast(Client, service), outcome, PLAN, small, model=long, data="digits")
    assert "the service did not store the results: model: " in capsys.readouterr().err


@pytest.mark.parametrize("zero", [False, True])
def test_the_command_writes_subnormal_weights_as_zero_if_requested(
    outcome: Outcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    zero: bool,
) -> None:
    torch.manual_seed(0)
    decayed = comb.network()
    first = cast(nn.Conv2d, decayed[0]).weight
    with torch.no_grad():
        first[:8] = 1e-39
    before = first.detach().clone()
    pixels = torch.randint(0, 256, (5, 3, 32, 32)).to(torch.uint8)
    part = LabelledImages(pixels, torch.zeros(5, dtype=torch.int64))
    images = ImageDataset("digits", tuple("0123456789"), part, part, flip=False)
    monkeypatch.setattr("lpnet.pruning.job.images.open_images", lambda *_: images)
    monkeypatch.setattr(pruning, "open_model", lambda _: comb.network())
    monkeypatch.setattr(pruning, "connect", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(pruning, "_predictor", lambda *_: None)
    monkeypatch.setattr(pruning, "run_job", lambda *_, **__: replace(outcome, small=decayed))
    pruning.prune(
        "t", "60%", out=tmp_path, report=False, as_json=True, zero_subnormals=zero, model="little"
    )
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert (result["subnormal_pct"] == 0) is zero
    assert (result["subnormals"]["count"], result["subnormals"]["zeroed"]) == (8 * 27, zero)
    assert 0 <= result["subnormals"]["output_change"] < 1e-30
    assert json.loads((tmp_path / "report.json").read_text())["subnormals"] == result["subnormals"]
    assert "25.0% of it" in printed.err
    assert ("with --zero-subnormals" in printed.err) is not zero
    weight = load_file(tmp_path / "model.safetensors")["0.weight"]
    assert bool(weight[:8].any()) is not zero
    assert torch.equal(weight[8:], before[8:])
    assert bool(count_subnormals(onnx.load(tmp_path / "model.onnx")).count) is not zero
