"""The benchmark of pruned networks: what is measured, which widths are fast, and its tables."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.accuracy.pruned import docs, results
from benchmarks.accuracy.pruned.cache import Cache, Choice, floor_of
from benchmarks.accuracy.pruned.choosing import choose, chosen_parts, descend
from benchmarks.accuracy.pruned.parts import (
    QUICK,
    TRAINED,
    Counts,
    base_parts,
    sweep_values,
    unseen_parts,
)
from benchmarks.accuracy.pruned.results import Chosen, HeldOut, Results, Sweep, Transfer
from benchmarks.accuracy.pruned.sweeps import certain, fast, judge_sweeps
from benchmarks.accuracy.pruned.tables import NOT_RUN, render
from benchmarks.accuracy.pruned.training import Table, covering, mape_pct

from lpnet import samples_file, zoo
from lpnet.errors import NotCovered
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.predictor.predictor import Predictor
from lpnet.progress import quiet
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import workload_key
from lpnet.space.axis import Width
from lpnet.space.space import Space

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def space() -> Space:
    return zoo.block("mbconv", channels=8, hidden=960, side=7)


@pytest.fixture(scope="module")
def lpnet(space: Space) -> Ensemble:
    """Untrained: its prices are those of its initial weights."""
    return Ensemble(
        EnsembleHeader(
            target="t",
            batches=(1,),
            coverage=tuple(coverage(space.table)),
            calibration=Calibration(coverages=(0.5, 0.9), block=(0.7, 1.6), network=(0.7, 1.6)),
        )
    )


def test_no_workload_is_drawn_twice(space: Space) -> None:
    parts = [*base_parts(QUICK, 0, lambda name: space), *unseen_parts(QUICK, 0, lambda n: space)]
    assert [part.role for part in parts[:6:2]] == ["test", "sweep", "train"]
    for network in {part.network for part in parts}:
        keys = [key for p in parts if p.network == network and p.role != "sweep" for key in p.keys]
        assert len(keys) == len(set(keys)) > 0
    assert parts == [
        *base_parts(QUICK, 0, lambda name: space),
        *unseen_parts(QUICK, 0, lambda name: space),
    ]
    assert parts[0] != base_parts(QUICK, 1, lambda name: space)[0]


def test_half_of_a_sweep_is_aligned() -> None:
    width = Width(name="w", max=96, granule=1)
    values = sweep_values(width, 20, np.random.default_rng(0))
    assert len(values) == len(set(values)) == 20
    assert values == sorted(values)
    assert values[0] >= 24
    assert values[-1] == 96
    assert sum(value % 8 == 0 for value in values) == 10


def test_fast_widths_are_cheaper_than_every_larger_one() -> None:
    ms = np.array([1.0, 3.0, 2.0, 1.99, 4.0])
    assert fast(ms).tolist() == [True, False, False, True, True]
    # The third is dearer than the fourth by less than 1%, and the last is always fast.
    assert certain(ms, 1.0).tolist() == [True, True, False, True, False]


def samples_of(part: object, ms: float, *, session: str, at: datetime) -> list[Sample]:
    items = part.items  # type: ignore[attr-defined]
    return [
        Sample(
            kind=item.kind,
            workload=item.workload,
            draw=item.draw,
            latency_ms=ms * (1 + index / 10),
            session=session,
            measured_at=at,
        )
        for index, item in enumerate(items)
    ]


def test_a_cache_knows_what_is_missing(space: Space, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    part = base_parts(QUICK, 0, lambda name: space)[0]
    assert cache.missing(part) == list(part.items)
    good, *others = samples_of(part, 1.0, session="a", at=START)
    disturbed = [sample.model_copy(update={"disturbed": True}) for sample in others]
    samples_file.write(cache.new_file(), [good, *disturbed])
    with cache.new_file().open("w") as file:
        file.write('{"kind": "netw')  # a run that was killed
    assert cache.missing(part) == list(part.items[1:])
    assert len(cache.samples()) == len(part.items)


def test_the_floor_is_that_of_workloads_with_two_sessions(space: Space) -> None:
    part = base_parts(Counts(test_blocks=20, swept_blocks=1), 0, lambda name: space)[0]
    first = samples_of(part, 1.0, session="a", at=START)
    second = samples_of(part, 1.02, session="b", at=START + timedelta(minutes=2))
    keys = set(part.keys)
    assert floor_of([*first, *second], keys).pct == pytest.approx(100 * 0.02 / 1.01)
    assert floor_of([*first, *second], set(part.keys[:5])).pct is None
    assert floor_of(first, keys).pct is None


def test_descent_ends_within_the_budget(space: Space, lpnet: Ensemble) -> None:
    predictor = Predictor(lpnet, space)
    dense_ms = float(predictor(predictor.high))
    first, again = (descend(predictor, 0.9 * dense_ms, np.random.default_rng(0)) for _ in range(2))
    assert float(predictor(first)) <= 0.9 * dense_ms
    assert torch.equal(first, again)
    choice = Choice("n", "gradient", 0.7, space.named(first.tolist()), 1.0, 1.1)
    (part,) = chosen_parts([choice], lambda name: space)
    assert part.items[0].workload.widths == choice.widths


def test_networks_are_chosen_by_each_method(space: Space, lpnet: Ensemble) -> None:
    predictor = Predictor(lpnet, space)
    dense_ms = float(predictor(predictor.high))
    # An untrained LPNet has its lowest latency near the dense one.
    floor = predictor.reachable(2).floor_ms / dense_ms
    budgets = (floor + 0.3 * (1 - floor), floor + 0.9 * (1 - floor))
    choices = choose(predictor, "n", budgets, 0, quiet)
    assert {choice.method for choice in choices} >= {"widest", "front"}
    assert len({tuple(choice.widths.values()) for choice in choices}) == len(choices)
    for choice in choices:
        assert choice.predicted_ms <= choice.budget_share * dense_ms * 1.001
        assert choice.upper_ms > choice.predicted_ms


def test_uncovered_ops_are_priced_on_request(space: Space, lpnet: Ensemble) -> None:
    part = base_parts(QUICK, 0, lambda name: space)[0]
    table = Table.of(samples_of(part, 1.0, session="a", at=START), [space])
    records = table.first_of([part])
    header = lpnet.header.model_copy(update={"coverage": lpnet.header.coverage[:1]})
    narrow = Ensemble(header)
    narrow.load_state_dict(lpnet.state_dict())
    with pytest.raises(NotCovered):
        Predictor(narrow, space)
    ms = Predictor(covering(narrow, records), space)(space.dense.tolist())
    assert float(ms) == pytest.approx(float(Predictor(lpnet, space)(space.dense.tolist())))
    assert mape_pct(np.array([r.latency_ms for r in records]), records) == 0


def test_sweeps_are_judged_along_their_width(space: Space, lpnet: Ensemble) -> None:
    parts = [p for p in base_parts(QUICK, 0, lambda name: space) if p.role == "sweep"]
    samples = samples_of(parts[0], 1.0, session="a", at=START)
    # In any order.
    table = Table.of(samples[::-1], [space])
    (sweep,) = judge_sweeps(lpnet, table, parts[:1], None)
    assert list(sweep.values) == sorted(sweep.values)
    assert len(sweep.values) == QUICK.swept_values
    assert all(sweep.fast)
    records = [table.records[workload_key(item.workload)][0] for item in parts[0].items]
    assert sorted(sweep.measured_ms) == sorted(record.latency_ms for record in records)


def run(runtime: str = "onnxruntime") -> Results:
    network = TRAINED[0]
    return Results(
        date="2026-01-01",
        quick=False,
        seed=0,
        machine="a CPU",
        runtime=runtime,
        kind="mixture",
        trained_blocks=300,
        trained_networks=30,
        block_floor_pct=None,
        network_floor_pct=3.0,
        granule_spearman=0.9,
        granule_pairs=7,
        regret_pct=None,
        tested=[
            HeldOut(network, "network", 100.0, 105.0, True, 150.0, None),
            HeldOut(network, "network", 100.0, 95.0, False, 120.0, 100.0),
        ],
        chosen=[
            Chosen(network, "widest", 0.5, 98.0, 103.0, 100.0),
            Chosen(network, "widest", 0.6, 94.0, 99.0, 100.0),
        ],
        transfers=[Transfer("resnet50", "vgg16_bn", 0, ("pool max 2x2",), 20, 8.0, -2.0)],
        sweeps=[
            Sweep(
                network,
                "b",
                (8, 9, 16, 17, 24),
                (1.0, 3.0, 2.0, 4.0, 3.5),
                (1.0, 3.0, 3.5, 3.2, 3.1),
                (True, False, True, False, True),
                (True, True, False, False, True),
                (True, True, True, False, False),
            )
        ],
    )


def test_tables_have_the_figures() -> None:
    text = render([run()])
    over = f"{math.sqrt(5.0**2 - 3.0**2):.2f}%"
    row = f"| networks of mobilenet_v2 | 2 | 5.00% | {over} | 5.0% | 50% | 35.0% | - |"
    assert row in text
    assert "| all |  | 2 | 4.00% | -4.0% | 6.0% | 50% |" in text
    assert "| resnet50 | vgg16_bn | 0 | 20 | 8.00% | -2.0% | pool max 2x2 |" in text
    # Certain: two fast ones, of which one is detected, and a slow one that is predicted fast.
    assert "| all | 5 | 3 | 2 | 50% | 1 | 100% |" in text
    assert "unknown on blocks" in text.replace("\n", " ")
    assert render([]) == NOT_RUN


def test_a_run_replaces_that_of_its_runtime(tmp_path: Path) -> None:
    path = tmp_path / "pruned.json"
    assert results.read(path) == []
    results.write(run(), path)
    results.write(run("torch"), path)
    results.write(run(), path)
    assert results.read(path) == [run(), run("torch")]


def test_the_page_is_that_of_the_results_file() -> None:
    text = docs.PAGE.read_text(encoding="utf-8")
    assert docs.rendered(text, results.read()) == text
