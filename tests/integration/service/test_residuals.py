"""Held-out workloads, measured and predicted."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from tests.harness.published import publish, untrained_lpnet

from lpnet.predictor.predictor import Predictor
from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.workload import workload_key
from lpnet_service.errors import NotFound
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import residuals

Bench = Any
UNSEEN = {"ops": [{"type": "resize", "c_in": 3, "c_out": 3, "h": 8, "w": 8}]}
COVERED = {
    "ops": [
        {"type": "conv2d", "c_in": 3, "c_out": 8, "h": 16, "w": 16, "kernel": [3, 3]}
        | {"padding": [1, 1]},
        {"type": "activation", "function": "relu", "c_in": 8, "c_out": 8, "h": 16, "w": 16},
    ]
}


def fill(bench: Bench, count: int = 30) -> str:
    """Publishes an LPNet; holds out networks of even stems, both workloads of ops, and one block.
    Each is measured twice, and once disturbed."""
    lpnet = publish(bench, untrained_lpnet(bench))
    name = bench.space.blocks[0].name
    part = next(iter(bench.widths(name)))
    workloads: list[tuple[Any, str, float]] = [
        (bench.workload(stem=1 + i % 16, wide=1 + i), "network", 1.0 + i) for i in range(count)
    ]
    workloads += [(bench.workload(name, **{part: 3}), "block", 4.0)]
    workloads += [(UNSEEN, "block", 5.0), (COVERED, "block", 6.0)]
    samples = [
        bench.sample(ms, kind=kind, workload=workload, draw="random", disturbed=disturbed)
        for workload, kind, at in workloads
        for ms, disturbed in ((at, False), (1.5 * at, False), (90.0, True))
    ]
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    sides = {
        workload_key(sample.workload): (sample.kind, sample.kind == "block" or number % 2 == 0)
        for number, sample in enumerate(samples[::3])
    }
    with bench.ctx.db.write() as session:
        SideRepository(session).add(bench.target, 1, sides)
    return str(lpnet.id)


def test_they_are_of_medians_of_what_was_held_out(bench: Bench) -> None:
    result = residuals.residuals(bench.ctx, fill(bench), sort="latency_ms", limit=100)
    assert (result.workloads, result.complete, result.epoch) == (18, True, 1)
    assert [item.measured_ms for item in result.items] == sorted(
        i.measured_ms for i in result.items
    )
    predictor = Predictor(untrained_lpnet(bench), bench.space)
    networks = [item for item in result.items if item.kind == "network"]
    assert [item.measured_ms for item in networks] == [1.25 * (1 + i) for i in range(0, 30, 2)]
    for number, item in zip(range(0, 30, 2), networks, strict=True):
        widths = torch.tensor([1.0 + number % 16, 1.0 + number], dtype=torch.float64)
        low, high = predictor.interval(widths, 0.9)
        assert item.predicted_ms == pytest.approx(float(predictor(widths)))
        assert (item.low_ms, item.high_ms) == pytest.approx((float(low), float(high)))
        assert item.predicted_ms is not None
        assert item.error_pct == pytest.approx(100 * (item.predicted_ms / item.measured_ms - 1))
        assert (item.draw, item.space_name) == ("random", "little")
        assert "conv_depthwise" in item.ops
    unseen = [item for item in result.items if item.ops == ("resize",)]
    assert [(item.predicted_ms, item.error_pct, item.low_ms) for item in unseen] == [(None,) * 3]
    (covered,) = [item for item in result.items if item.space is None and item not in unseen]
    assert covered.ops == ("conv_dense", "activation")
    assert covered.predicted_ms is not None
    again = residuals.residuals(bench.ctx, result.lpnet, sort="latency_ms", limit=100)
    assert again == result


def test_the_worst_come_first(lite_bench: Bench) -> None:
    result = residuals.residuals(lite_bench.ctx, fill(lite_bench), sort="error", limit=5)
    errors = [abs(item.error_pct) for item in result.items if item.error_pct is not None]
    assert len(errors) == len(result.items) == 5
    assert errors == sorted(errors, reverse=True)
    every = residuals.residuals(lite_bench.ctx, result.lpnet, sort="error", limit=100)
    assert every.items[:5] == result.items
    assert every.items[-1].error_pct is None


def test_errors_by_op_and_by_latency(lite_bench: Bench) -> None:
    result = residuals.residuals(lite_bench.ctx, fill(lite_bench), sort="error", limit=100)
    predicted = [item for item in result.items if item.error_pct is not None]
    for figures in result.by_op:
        same = [i for i in predicted if figures.op in i.ops and i.kind == figures.kind]
        errors = [abs(item.error_pct or 0.0) for item in same]
        assert figures.workloads == len(same)
        assert figures.mape_pct == pytest.approx(sum(errors) / len(errors))
    assert "resize" not in {figures.op for figures in result.by_op}
    tenths = [tenth for tenth in result.by_latency if tenth.kind == "network"]
    assert sum(tenth.workloads for tenth in tenths) == 15
    assert len(tenths) == residuals.TENTHS
    assert all(a.to_ms < b.from_ms for a, b in pairwise(tenths))


def test_of_too_many_a_random_part_is_shown(
    lite_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residuals, "MAX_WORKLOADS", 6)
    result = residuals.residuals(lite_bench.ctx, fill(lite_bench), sort="error", limit=100)
    assert (result.workloads, result.complete, len(result.items)) == (6, False, 6)


def test_without_held_out_workloads_there_is_nothing(lite_bench: Bench) -> None:
    info = publish(lite_bench)
    result = residuals.residuals(lite_bench.ctx, info.id, sort="error", limit=9)
    assert (result.items, result.by_op, result.by_latency) == ((), (), ())
    with pytest.raises(NotFound, match="LPNet"):
        residuals.residuals(lite_bench.ctx, "lpnet-nobody", sort="error", limit=9)
