"""Cuts of single widths, and the figures of a report on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.harness.flops_linear import FlopsLinear, FlopsLinearTrainer

from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.changes import Changes, changes, granule_change, regret_pct
from lpnet_service.training.cuts import CutTable, cut_table
from lpnet_service.training.headers import new_header
from lpnet_service.training.records import RecordSet

SPACE = "c" * 64


def _block(inner: int, ms: float, outer: int = 32) -> Record:
    side = {"h": 7, "w": 7, "kernel": (1, 1)}
    table = OpTable.from_ops(
        [
            wire.Conv2d(c_in=outer, c_out=inner, **side),
            wire.Conv2d(c_in=inner, c_out=outer, **side),
        ]
    )
    widths = {"outer": outer, "inner": inner}
    return Record(f"{outer} {inner}", "block", table, 1, ms, None, SPACE, widths, False)


def _sweep(values: range, outer: int = 32) -> list[Record]:
    """Latencies that step every 16 channels, and rise in between."""
    return [_block(v, 0.1 + 0.02 * -(-v // 16) + 0.0005 * v, outer) for v in values]


def _pairs(cuts: CutTable) -> set[tuple[str, str, float]]:
    keys = [record.key for record in cuts.workloads]
    ends = zip(cuts.wide, cuts.narrow, cuts.channels, strict=True)
    return {(keys[wide], keys[narrow], channels) for wide, narrow, channels in ends}


def test_a_cut_is_a_small_step_of_one_width() -> None:
    blocks = [_block(inner, 1.0) for inner in (24, 8, 16, 100, 120)]
    others = [_block(16, 1.0, outer=40), _block(44, 1.0, outer=48)]
    assert _pairs(cut_table(blocks, others)) == {
        ("32 16", "32 8", 8.0),
        ("32 24", "32 16", 8.0),
        ("32 120", "32 100", 20.0),
        ("40 16", "32 16", 8.0),
    }


def test_workloads_of_another_kind_batch_or_space_are_no_cut() -> None:
    narrow = _block(8, 1.0)
    wide = _block(16, 1.0)
    for other in (
        replace(wide, batch=2),
        replace(wide, kind="network"),
        replace(wide, space="d" * 64),
        replace(wide, widths=None, space=None),
    ):
        assert len(cut_table([narrow, other], [])) == 0
    assert len(cut_table([narrow, wide], [])) == 1


def test_channels_that_are_equal_are_one_width_of_a_list_of_ops() -> None:
    listed = [
        replace(_block(inner, 1.0, outer), space=None, widths=None)
        for inner, outer in ((16, 32), (24, 32), (24, 40), (16, 48))
    ]
    assert _pairs(cut_table(listed, [])) == {
        ("32 24", "32 16", 8.0),
        ("40 24", "32 24", 8.0),
        ("48 16", "32 16", 16.0),
    }


def test_the_latency_of_a_workload_is_the_median_of_its_records() -> None:
    again = [replace(_block(16, 1.0), latency_ms=ms) for ms in (3.0, 2.0)]
    cuts = cut_table([_block(16, 1.0), *again], [_block(8, 0.5)])
    assert cuts.saved(cuts.measured).tolist() == [1.5]
    assert cuts.held_out.tolist() == [1]


def test_a_perfect_prediction_has_no_regret_and_a_reversed_one_has() -> None:
    cuts = cut_table(_sweep(range(4, 240, 4)), [])
    best = granule_change(cuts, cuts.measured, 1.0)
    assert best is not None
    assert best.spearman == pytest.approx(1.0)
    assert best.median_rel_error_pct == pytest.approx(0.0)
    # Changes within a step are below twice the noise floor.
    assert 10 < best.n < len(cuts)
    assert regret_pct(cuts, cuts.measured, 0.5)[0] == pytest.approx(0.0)
    reversed_ms = 1.0 / cuts.measured
    worst = granule_change(cuts, reversed_ms, 1.0)
    assert worst is not None
    assert worst.spearman is not None
    assert worst.spearman < 0
    regret, _ = regret_pct(cuts, reversed_ms, 0.1)
    assert regret is not None
    assert regret > 50.0


def test_a_cut_that_only_the_prediction_likes_counts_for_regret() -> None:
    # Ten steps and ten of none: a prediction that swaps them regrets all.
    steps = [_block(8 * i, 1.0 + 0.1 * i) for i in range(1, 12)]
    flat = [_block(8 * i, 3.0, outer=512) for i in range(1, 12)]
    cuts = cut_table(steps, flat)
    predicted = np.array([3.0] * 11 + [1.0 + 0.1 * i for i in range(1, 12)])
    assert regret_pct(cuts, predicted, 0.1)[0] == pytest.approx(100.0)


def test_few_or_no_saving_cuts_have_no_regret_with_a_reason() -> None:
    few = cut_table(_sweep(range(16, 160, 16)), [])
    assert regret_pct(few, few.measured, 0.1)[0] is None
    assert "20 are needed" in str(regret_pct(few, few.measured, 0.1)[1])
    slower = cut_table([_block(8 * i, 10.0 / i) for i in range(1, 40)], [])
    assert regret_pct(slower, slower.measured, 0.1)[1] == "the best single cuts save no latency"


def _changes(training: list[Record], test: list[Record], noise_floor_pct: float | None) -> Changes:
    records = RecordSet.of(training)
    header = new_header(records, "t", 1, 0, noise_floor_pct)
    trainer = FlopsLinearTrainer()
    model: FlopsLinear = trainer.fit(records, header, lambda share, stage: None)
    return changes(trainer, model, training, test, seed=0)


def test_held_out_workloads_come_first() -> None:
    training, test = _sweep(range(8, 600, 8)), _sweep(range(8, 600, 8), outer=64)
    all_held_out = _changes(training, test, 0.5)
    assert all_held_out.cuts is not None
    assert (all_held_out.cuts.n, all_held_out.cuts.held_out) == (len(test) - 1, 2)
    assert all_held_out.granule_change is not None
    assert all_held_out.regret_pct is not None
    assert all_held_out.reasons == {}
    one_held_out = _changes(training[::2], training[1::2], 0.5)
    assert one_held_out.cuts is not None
    assert one_held_out.cuts.held_out == 1
    none_held_out = _changes(training, [], 0.5)
    assert none_held_out.cuts is not None
    assert (none_held_out.cuts.n, none_held_out.cuts.held_out) == (len(training) - 1, 0)


def test_unknown_changes_have_a_reason() -> None:
    training = _sweep(range(8, 600, 8))
    for floor, reason in ((None, "noise floor is unknown"), (40.0, "10 are needed")):
        unknown = _changes(training, [], floor)
        assert (unknown.cuts, unknown.granule_change, unknown.regret_pct) == (None, None, None)
        assert unknown.reasons.keys() == {"cuts", "granule_change", "regret_pct"}
        assert all(reason in text for text in unknown.reasons.values())
