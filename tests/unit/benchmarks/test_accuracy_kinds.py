"""The benchmark of new kinds of ops: who is held out, its baselines, and its tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.accuracy.kinds import docs, results
from benchmarks.accuracy.kinds.baselines import linear
from benchmarks.accuracy.kinds.catalogue import cases
from benchmarks.accuracy.kinds.records import (
    BLOCK_SHARE,
    NETWORK_SHARE,
    content,
    noise_pct,
    records,
    split,
)
from benchmarks.accuracy.kinds.results import Counts, Op, Results, Workload
from benchmarks.accuracy.kinds.tables import by_op, errors, summary, worst

from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.sampling import plan
from lpnet.space.space import Space
from lpnet.zoo.vit import VisionTransformer


@pytest.fixture(scope="module")
def space() -> Space:
    model = VisionTransformer(side=16, patch=8, channels=16, heads=8, depth=2, classes=4)
    return Space.from_model(model, torch.zeros(1, 3, 16, 16), name="vit")


@pytest.fixture(scope="module")
def samples(space: Space) -> list[Sample]:
    planned = plan(space, blocks=40, networks=9, seed=0)
    return [
        Sample(kind=p.kind, workload=p.workload, draw=p.draw, latency_ms=1.0 + 0.1 * i)
        for i, p in enumerate(planned)
    ]


def part_of(space: Space, network: Sample) -> Sample:
    """A sample of the second block of a network, with the widths that it has there."""
    part = space.block(space.blocks[1].name)
    assert isinstance(network.workload, SpaceWorkload)
    assert part.widths
    widths = {width.name: network.workload.widths[width.name] for width in part.widths}
    workload = SpaceWorkload(space=space.hash, block=part.name, widths=widths)
    return Sample(kind="block", workload=workload, draw="random", latency_ms=2.0)


def sides(space: Space, samples: Sequence[Sample]) -> list[list[object]]:
    """The contents that are trained on, and those held out."""
    spaces = {space.hash: space}
    drawn = split(records(samples, spaces), spaces, seed=0).records
    return [
        [content(r.table, r.batch) for r in drawn if r.held_out == side] for side in (False, True)
    ]


def test_no_content_is_on_both_sides(space: Space, samples: list[Sample]) -> None:
    trained, held_out = sides(space, [*samples, *samples[:10]])
    assert trained
    assert held_out
    assert not set(trained) & set(held_out)


def test_blocks_of_two_names_with_the_same_ops_are_one_workload(space: Space) -> None:
    first, second = (
        next(b.name for b in space.blocks if b.name.startswith(f"blocks.{i}.mlp")) for i in (0, 1)
    )
    tables = [space.block(name).table for name in (first, second)]
    contents = [content(dataclasses.replace(t, b_in=t.b_in + 1), 1) for t in tables]
    assert contents[0] == contents[1]
    assert contents[0] != content(tables[0], 1)


def test_the_dense_network_is_trained_on(space: Space, samples: list[Sample]) -> None:
    spaces = {space.hash: space}
    networks = [
        record
        for record in split(records(samples, spaces), spaces, seed=3).records
        if record.kind == "network"
    ]
    assert [record.held_out for record in networks if record.draw == "dense"] == [False]
    assert sum(record.held_out for record in networks) == 5


def test_a_block_of_a_held_out_network_is_not_trained_on(
    space: Space, samples: list[Sample]
) -> None:
    spaces = {space.hash: space}
    networks = [sample for sample in samples if sample.kind == "network"]
    parts = [part_of(space, sample) for sample in networks if sample.draw != "dense"]
    drawn = split(records([*networks, *parts], spaces), spaces, seed=0)
    held_out = {
        content(record.table.slice(block.start, block.stop), 1)
        for record in drawn.records
        for block in space.blocks
        if record.kind == "network" and record.held_out
    }
    trained = {
        content(record.table, 1)
        for record in drawn.records
        if record.kind == "block" and not record.held_out
    }
    assert drawn.left_out
    assert {content(record.table, 1) for record in drawn.left_out} <= held_out
    assert not held_out & trained


def test_disturbed_samples_and_other_spaces_are_no_records(
    space: Space, samples: list[Sample]
) -> None:
    disturbed = samples[0].model_copy(update={"disturbed": True})
    assert len(records([disturbed, *samples[1:]], {space.hash: space})) == len(samples) - 1
    assert records(samples, {"0" * 64: space}) == []


def test_noise_is_the_median_difference_of_two_sessions(samples: list[Sample]) -> None:
    def measured(index: int, session: str, ms: float) -> Sample:
        return samples[index].model_copy(update={"session": session, "latency_ms": ms})

    firsts = [measured(i, "a", 1.0) for i in range(3)]
    seconds = [measured(i, "b", ms) for i, ms in enumerate((1.0, 1.02, 1.5))]
    assert noise_pct([*firsts, *seconds]) == pytest.approx(100 * 0.02 / 1.01)
    assert noise_pct([*firsts, *seconds[:2]]) is None


def test_a_linear_law_is_found_and_too_few_samples_are_not_fitted() -> None:
    columns = np.array([[1.0, 5.0], [2.0, 1.0], [3.0, 2.0], [5.0, 9.0]])
    latency = columns @ [0.5, 0.1] + 2.0
    assert linear(columns, latency, columns[:2]) == pytest.approx(latency[:2])
    assert np.isnan(linear(columns[:2], latency[:2], columns)).all()


def run() -> Results:
    def workload(space: str, kind: str, predicted: float, op: str) -> Workload:
        own: dict[str, float | None] = {"flops": 1.5, "flops_bytes": 0.9, "flops_per_space": None}
        name = None if kind == "network" else "b"
        ops = [Op(op, 0.9)]
        return Workload(space, kind, name, "mixed", 1.0, predicted, predicted < 1.1, own, ops)

    return Results(
        date="2026-01-01",
        quick=False,
        seed=0,
        cpu="a CPU",
        target="a runtime",
        noise_floor_pct=0.5,
        measuring_s=60.0,
        training_s=30.0,
        counts=[
            Counts("one", "ViT", 30, 4, 2, 1, 3, 1, 0, 0.4),
            Counts("two", "U-Net", 20, 4, 0, 2, 0, 0, 1, None),
        ],
        workloads=[
            workload("one", "network", 1.01, "linear 8-8"),
            workload("two", "network", 1.02, "conv_dense 3x3"),
            workload("two", "network", 1.30, "conv_dense 3x3"),
            workload("one", "block", 0.90, "linear 8-8"),
        ],
    )


def test_every_kind_has_workloads_to_train_on_and_to_hold_out() -> None:
    """At most as many as `lpnet profile` takes of a network by default."""
    for case in cases():
        assert 20 <= case.blocks <= 300
        assert ceil(BLOCK_SHARE * case.blocks) >= 4
        if case.networks:
            assert 7 <= case.networks <= 30
            assert ceil(NETWORK_SHARE * (case.networks - 1)) >= 3


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results.write(run(), tmp_path / "kinds.json")
    assert results.read(tmp_path / "kinds.json") == run()
    assert results.read(tmp_path / "none.json") is None


def test_tables_give_medians_means_and_coverage() -> None:
    networks = errors(run(), "network").splitlines()
    assert networks[2] == (
        "| ViT | one | 1 | 1.0%, 1.0% | 100% | 50.0%, 50.0% | 10.0%, 10.0% | - | 0.40% |"
    )
    assert networks[3].startswith("| U-Net | two | 2 | 16.0%, 16.0% | 50% |")
    assert networks[4].startswith("| all |  | 3 | 2.0%, 11.0% | 67% |")
    assert "| ViT | one | 1 | 10.0%, 10.0% | 100% |" in errors(run(), "block")
    text = summary(run())
    assert "Trained on 50 blocks and 8 networks, tested on 2 other blocks and 3 other" in " ".join(
        text.split()
    )
    assert "3 samples were disturbed" in text
    assert "does not cover 1 of" in text


def test_the_worst_come_first_with_their_ops() -> None:
    rows = worst(run()).splitlines()
    assert rows[2] == (
        "| two | network | mixed | 1.000 ms | 1.300 ms | +30.0% | no | conv_dense 3x3 (90%) |"
    )
    assert "| conv_dense | 2 | +16.0% | 16.0% | 16.0% |" in by_op(run())


def test_the_page_is_that_of_the_results() -> None:
    page = docs.PAGE.read_text()
    assert docs.rendered(page, results.read()) == page, f"run python -m {docs.__name__}"


def test_a_page_without_results_says_so_and_results_fill_it() -> None:
    page = docs.rendered(docs.PAGE.read_text(), run())
    assert errors(run(), "network") in page
    assert worst(run()) in page
    assert docs.rendered(page, None).count("Not run yet.") == 5
