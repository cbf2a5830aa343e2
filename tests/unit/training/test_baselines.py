"""Baselines find what they can find, and say why where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lpnet.schemas.report import TrainedOn
from lpnet_service.training import Record
from lpnet_service.training.baselines import baselines
from lpnet_service.training.baselines.flops import flops, flops_linear
from lpnet_service.training.baselines.learned import (
    gaussian_process,
    gradient_boosting,
    ridge_widths,
    width_mlp,
)
from lpnet_service.training.baselines.lookup import block_tables, cut, lookup, signature
from lpnet_service.training.baselines.task import NotApplicable, Task
from lpnet_service.training.baselines.vectors import summaries
from lpnet_service.training.metrics import metrics, spearman

Make = Callable[..., list[Record]]


def _task(training: list[Record], test: list[Record], blocks: list[Record] | None = None) -> Task:
    return Task(tuple(training), tuple(test), tuple(blocks or ()), seed=0)


@pytest.fixture(scope="module")
def networks(make_records: Make) -> list[Record]:
    return make_records(0, 40, seed=3)


@pytest.fixture(scope="module")
def blocks(make_records: Make) -> list[Record]:
    return make_records(80, 0, seed=4)


def test_flops_linear_finds_a_line(networks: list[Record]) -> None:
    lined = [replace(r, latency_ms=0.3 + 1e-6 * flops(r)) for r in networks]
    predicted = flops_linear(_task(lined[:20], lined[20:]))
    assert predicted == pytest.approx([r.latency_ms for r in lined[20:]])


def test_ridge_finds_log_linear_widths(networks: list[Record]) -> None:
    def ms(record: Record) -> float:
        assert record.widths is not None
        return float(np.exp(0.01 * record.widths["a"] - 0.005 * record.widths["outer"]))

    lined = [replace(r, latency_ms=ms(r)) for r in networks]
    predicted = ridge_widths(_task(lined[:25], lined[25:]))
    assert predicted == pytest.approx([r.latency_ms for r in lined[25:]], rel=0.02)


@pytest.mark.parametrize("baseline", [gradient_boosting, gaussian_process, width_mlp])
def test_learned_baselines_learn_networks(
    networks: list[Record], baseline: Callable[[Task], np.ndarray]
) -> None:
    measured = np.array([r.latency_ms for r in networks[28:]])
    guess = np.exp(np.mean([np.log(r.latency_ms) for r in networks[:28]]))
    predicted = baseline(_task(networks[:28], networks[28:]))
    errors = [np.abs(p / measured - 1.0).mean() for p in (predicted, guess)]
    assert errors[0] < 0.7 * errors[1]


def test_a_gaussian_process_tuned_on_a_part_learns_from_all(
    networks: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = "lpnet_service.training.baselines.learned"
    monkeypatch.setattr(f"{learned}.MAX_IN_FOLDS", 10)
    monkeypatch.setattr(f"{learned}.MAX_TUNED", 12)
    again = gaussian_process(_task(networks, networks))
    assert again == pytest.approx([r.latency_ms for r in networks], rel=0.05)
    monkeypatch.setattr(f"{learned}.MAX_GP_SAMPLES", 12)
    fewer = gaussian_process(_task(networks, networks))
    assert np.abs(fewer - again).max() > 0.1 * again.min()


def test_a_gaussian_process_says_how_much_it_learned_from(
    networks: list[Record], blocks: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lpnet_service.training.baselines.learned.MAX_GP_SAMPLES", 12)
    limited, _ = baselines([*blocks[:8], *networks[:20]], [], 0, lambda share, stage: None)
    assert limited.gaussian_process.trained_on == TrainedOn(block=8, network=12)
    assert limited.gradient_boosting.trained_on is None
    whole, _ = baselines([*blocks[:8], *networks[:12]], [], 0, lambda share, stage: None)
    assert whole.gaussian_process.trained_on is None


def test_summaries_leave_out_what_does_not_vary(blocks: list[Record]) -> None:
    seen, asked = summaries(blocks[:50], blocks[50:])
    assert seen.shape[0] == 50
    assert asked.shape == (30, seen.shape[1])
    assert seen.std(0) == pytest.approx(1.0)
    with pytest.raises(NotApplicable, match="do not vary"):
        summaries([blocks[0]] * 5, blocks[1:3])


def test_lookup_gives_back_what_was_measured(blocks: list[Record]) -> None:
    predicted = lookup(_task(blocks, blocks[:10], blocks))
    assert predicted == pytest.approx([r.latency_ms for r in blocks[:10]], rel=1e-4)


def test_lookup_cuts_networks_into_measured_blocks(
    networks: list[Record], blocks: list[Record]
) -> None:
    tables = block_tables(blocks)
    parts = cut(networks[0].table, 1, tables)
    assert parts is not None
    assert [len(part.rows) for part in parts] == [3, 3, 3]
    assert {signature(part, 1) for part in parts} == set(tables)
    predicted = lookup(_task([], networks, blocks))
    error = metrics(predicted, np.array([r.latency_ms for r in networks]))
    assert error is not None
    assert error.mape_pct < 40.0
    assert cut(networks[0].table, 2, tables) is None


def test_reasons_are_given_for_what_cannot_be_had(
    networks: list[Record], blocks: list[Record]
) -> None:
    nameless = [replace(r, widths=None, space=None) for r in networks[:3]]
    for baseline, task, why in (
        (ridge_widths, _task(networks[:3], networks[3:]), "only 3 samples"),
        (ridge_widths, _task(nameless * 2, nameless), "no widths"),
        (width_mlp, _task([*networks[:9], *blocks[:9]], networks), "one vector of widths"),
        (lookup, _task([], networks), "no block was measured"),
        (lookup, _task([], networks, [replace(blocks[0], batch=2)]), "not every part"),
        (flops_linear, _task(networks[:1], networks), "only 1 samples"),
    ):
        with pytest.raises(NotApplicable, match=why):
            baseline(task)


def test_all_baselines_come_with_figures_or_reasons(
    networks: list[Record], blocks: list[Record]
) -> None:
    stages: list[str] = []
    found, reasons = baselines(
        [*blocks[:30], *networks[:12]],
        [*blocks[30:40], *networks[12:20]],
        0,
        lambda share, stage: stages.append(stage),
    )
    for name, kinds in found:
        for kind in ("block", "network"):
            assert (getattr(kinds, kind) is None) == (f"baselines.{name}.{kind}" in reasons)
    assert found.gaussian_process.network is not None
    assert found.gaussian_process.network.n == 8
    assert len(stages) == 12


def test_metrics_are_of_relative_errors() -> None:
    found = metrics(np.array([1.02, 1.8, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert found is not None
    assert found.mape_pct == pytest.approx(4.0)
    assert found.rmspe_pct == pytest.approx(np.sqrt(104 / 3))
    assert found.within_5_pct == pytest.approx(200 / 3)
    assert found.within_10_pct == pytest.approx(100.0)
    assert found.spearman == pytest.approx(1.0)
    assert metrics(np.zeros(0), np.zeros(0)) is None
    assert spearman(np.ones(5), np.arange(5.0)) is None
