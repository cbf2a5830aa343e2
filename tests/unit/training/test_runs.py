"""Trainings and studies as a whole, on latencies that follow a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from tests.harness.flops_linear import FlopsLinear, FlopsLinearTrainer

from lpnet.errors import LpnetError
from lpnet.model.base import LatencyModel
from lpnet.model.files import save
from lpnet.model.registry import KINDS
from lpnet.schemas import ops as wire
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.report import Metrics, Report
from lpnet.space.table import OpTable
from lpnet_service.training import Record, provisional, study, train
from lpnet_service.training.registry import TRAINERS

Stages = list[tuple[float, str]]


@pytest.fixture(scope="module")
def stages() -> Stages:
    return []


@pytest.fixture(scope="module")
def trained(records: list[Record], stages: Stages) -> tuple[LatencyModel, Report]:
    return train(
        records,
        target="comb",
        epoch=3,
        seed=0,
        noise_floor_pct=0.5,
        memory=MemoryLimits(fits_mib=3.0, fails_mib=4.0),
        progress=lambda share, stage: stages.append((share, stage)),
    )


def _mape(metrics: Metrics | None) -> float:
    assert metrics is not None
    return metrics.mape_pct


def test_an_lpnet_learns_what_flops_do_not_tell(trained: tuple[LatencyModel, Report]) -> None:
    report = trained[1]
    assert report.held_out.network is not None
    assert report.held_out.network.n == 15
    assert _mape(report.held_out.network) < 6.0
    assert _mape(report.held_out.network) < _mape(report.baselines.flops_linear.network) / 3
    assert report.network_over_blocks is not None
    # A network's call and edges are paid once, its three blocks' thrice.
    assert 0.8 < report.network_over_blocks < 1.02


def test_its_predictions_are_those_it_was_judged_by(
    trained: tuple[LatencyModel, Report], records: list[Record]
) -> None:
    lpnet, report = trained
    errors = [
        abs(lpnet.bind(r.table, 1)(torch.zeros(0)).item() / r.latency_ms - 1.0)
        for r in records
        if r.held_out and r.kind == "network"
    ]
    assert 100 * np.mean(errors) == pytest.approx(_mape(report.held_out.network), rel=1e-3)


def test_a_report_names_its_kind_and_those_it_was_chosen_from(
    trained: tuple[LatencyModel, Report],
) -> None:
    lpnet, report = trained
    assert report.kind == lpnet.kind
    assert report.candidates == lpnet.header.candidates
    assert report.candidates


def test_every_null_of_a_report_has_its_reason(trained: tuple[LatencyModel, Report]) -> None:
    report = trained[1]

    def nulls(value: object, path: str) -> list[str]:
        if value is None:
            return [path]
        if isinstance(value, dict):
            return [n for k, v in value.items() for n in nulls(v, f"{path}.{k}".lstrip("."))]
        return []

    # The interval of the floor is unknown together with the floor, or not known to a training. A
    # training that began from scratch has no source.
    exempt = {"noise_floor_low_pct", "noise_floor_high_pct", "transferred_from"}
    said = report.model_dump(exclude={"reasons", "lpnet"} | exempt)
    found = {path for path in nulls(said, "") if not path.endswith("spearman")}
    assert found == set(report.reasons)


def test_header_and_report_say_what_was_learnt_from(trained: tuple[LatencyModel, Report]) -> None:
    lpnet, report = trained
    assert lpnet.header.trained_on == {"block": 60, "network": 30}
    assert (report.trained_on.block, report.trained_on.network) == (60, 30)
    assert (lpnet.header.epoch, lpnet.header.noise_floor_pct, report.epoch) == (3, 0.5, 3)
    assert lpnet.header.coverage == ("activation relu", "conv2d 1x1 stride 1 dense")
    assert lpnet.header.batches == (1,)
    assert lpnet.header.memory == MemoryLimits(fits_mib=3.0, fails_mib=4.0)


def test_a_provisional_lpnet_knows_the_memory_too(records: list[Record]) -> None:
    limits = MemoryLimits(fails_mib=4.0)
    found = provisional(records, target="comb", seed=0, memory=limits)
    assert found.header.memory == limits


def test_groups_of_the_report_follow_the_draw(trained: tuple[LatencyModel, Report]) -> None:
    held_out = trained[1].held_out
    assert held_out.network_random is not None
    assert held_out.network_aligned is not None
    assert held_out.network_random.n + held_out.network_aligned.n == 15
    assert held_out.network_pruned is None


def test_intervals_hold_most_of_what_was_never_seen(
    trained: tuple[LatencyModel, Report], make_records: Callable[..., list[Record]]
) -> None:
    lpnet = trained[0]
    inside = []
    for record in make_records(0, 60, seed=9):
        bound, nothing = lpnet.bind(record.table, 1), torch.zeros(0)
        reach = bound.quantile(0.9, "network") * bound.spread(nothing).item()
        inside.append(abs(np.log(bound(nothing).item() / record.latency_ms)) <= reach)
    assert np.mean(inside) >= 0.75
    assert trained[1].interval.mean_width_pct is not None
    assert trained[1].interval.mean_width_pct < 60.0


@pytest.mark.parametrize("kind", ["network", "block"])
def test_the_interval_is_judged_at_several_coverages(
    trained: tuple[LatencyModel, Report], kind: str
) -> None:
    report = trained[1]
    interval, found = report.interval, report.calibration
    if kind == "block":
        assert report.interval_block is not None
        interval, found = report.interval_block, report.calibration_block
    assert [one.asked_pct for one in found] == [50, 60, 68, 75, 80, 85, 90, 95, 99]
    assert interval in found
    for narrow, wide in pairwise(found):
        assert narrow.covered_pct is not None
        assert wide.covered_pct is not None
        assert narrow.covered_pct <= wide.covered_pct
        assert narrow.mean_width_pct is not None
        assert wide.mean_width_pct is not None
        assert narrow.mean_width_pct < wide.mean_width_pct


def test_progress_rises_to_one_and_says_what_is_done(
    trained: tuple[LatencyModel, Report], stages: Stages
) -> None:
    shares = [share for share, _ in stages]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {"fitting", "calibrating", "judging"} <= {stage for _, stage in stages}


def test_a_seed_makes_a_training_repeatable(make_records: Callable[..., list[Record]]) -> None:
    few = make_records(24, 0)
    once, again, other = (provisional(few, target="t", seed=seed) for seed in (0, 0, 1))
    assert save(once) == save(again)
    assert save(once) != save(other)


@pytest.mark.slow
def test_a_study_keeps_workloads_whole(records: list[Record]) -> None:
    twice = [
        replace(r, held_out=False, latency_ms=r.latency_ms * factor)
        for r in records[:40]
        for factor in (1.0, 1.001)
    ]
    report = study(
        twice,
        samples=31,
        seed=5,
        target="t",
        epoch=1,
        noise_floor_pct=None,
        progress=lambda share, stage: None,
    )
    # Sixteen workloads would be one sample too many.
    assert report.trained_on.block == 30
    assert report.held_out.block is not None
    assert report.held_out.block.n == 50
    assert report.held_out.network is None
    assert "held_out.network" in report.reasons


def test_a_study_needs_something_to_judge(records: list[Record]) -> None:
    for samples, given in ((40, records[:40]), (4, [records[0]] * 8)):
        with pytest.raises(LpnetError, match=r"more than that|nothing is left"):
            study(
                given,
                samples=samples,
                seed=0,
                target="t",
                epoch=1,
                noise_floor_pct=None,
                progress=lambda share, stage: None,
            )


def test_too_little_to_learn_from_is_said(records: list[Record]) -> None:
    held_out = [replace(r, held_out=True) for r in records[:20]]
    with pytest.raises(LpnetError, match="there are 2 blocks and 0 networks"):
        train(
            [*records[:2], *held_out],
            target="t",
            epoch=1,
            seed=0,
            noise_floor_pct=None,
            progress=lambda share, stage: None,
        )
    with pytest.raises(LpnetError, match="provisional"):
        provisional([], target="t", seed=0)


def test_latencies_must_be_positive_numbers(records: list[Record]) -> None:
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(LpnetError, match=r"block .*: latency must be a positive"):
            provisional([replace(records[0], latency_ms=wrong), *records[1:9]], target="t", seed=0)


def test_other_batches_and_odd_samples_are_in_the_report(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, FlopsLinear.kind, FlopsLinear)
    monkeypatch.setitem(TRAINERS, FlopsLinear.kind, FlopsLinearTrainer())
    other = replace(records[2], key="b", batch=4, held_out=True)
    wrong = replace(records[4], key="w", latency_ms=1e4 * records[4].latency_ms, held_out=True)
    _, report = train(
        [*records[:30], other, wrong],
        target="t",
        epoch=1,
        seed=0,
        noise_floor_pct=None,
        progress=lambda share, stage: None,
        kind=FlopsLinear.kind,
    )
    assert report.held_out.block is not None
    assert report.held_out.block.n == 10
    assert "1 of batch 4" in report.reasons["held_out.batch"]
    assert "held_out.uncovered" not in report.reasons
    assert [(w.kind, w.samples[0].workload) for w in report.warnings] == [("outliers", "w")]


def test_few_samples_and_strangers_still_give_a_report(records: list[Record]) -> None:
    pool = wire.Pool(c_in=8, c_out=8, h=8, w=8, kernel=(2, 2), stride=(2, 2), mode="max")
    stranger = replace(records[0], key="s", table=OpTable.from_ops([pool]), held_out=True)
    _, report = train(
        [*records[:7], stranger],
        target="t",
        epoch=1,
        seed=0,
        noise_floor_pct=None,
        progress=lambda share, stage: None,
    )
    assert report.held_out.block is not None
    assert report.held_out.block.n == 2
    assert report.reasons["held_out.uncovered"].startswith("1 workloads")
    assert "interval.covered_pct" in report.reasons
