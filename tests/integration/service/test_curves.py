"""Curves: the line of the predictor, and what was measured on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from tests.harness.published import publish, unfit, untrained_lpnet

from lpnet.model.files import load
from lpnet.predictor.predictor import Predictor
from lpnet.schemas.curve import CurveResponse
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.learning import lpnets, trainings
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import curves as curves_
from lpnet_service.worker import dataset

Bench = Any


def request(bench: Bench, **fields: Any) -> dict[str, Any]:
    usual = {"targets": [bench.target], "space": bench.space.hash, "width": "wide"}
    return usual | fields


def drawn(api: TestClient, bench: Bench, **fields: Any) -> CurveResponse:
    answer = api.post("/v1/curves", json=request(bench, **fields))
    assert answer.status_code == 200, answer.text
    return CurveResponse.model_validate(answer.json())


def store(bench: Bench, *samples: Any) -> None:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


def predictor(bench: Bench, lpnet: str, block: str | None = None) -> Predictor:
    space = bench.space if block is None else bench.space.block(block)
    return Predictor(load(lpnets.weights(bench.ctx, lpnet)), space)


def test_a_curve_is_the_predictors_line(bench: Bench, api: TestClient) -> None:
    info = publish(bench)
    response = drawn(api, bench, at={"stem": 12}, coverage=0.7)
    assert (response.values, response.at) == (tuple(range(1, 33)), {"stem": 12})
    (curve,) = response.curves
    assert (curve.target, curve.problem) == (bench.target, None)
    line = curve.line
    assert line is not None
    assert line.lpnet == info.id
    own = predictor(bench, info.id)
    rows = torch.tensor([[12.0, wide] for wide in response.values], dtype=torch.float64)
    low, high = own.interval(rows, 0.7)
    assert line.latency_ms == pytest.approx(own(rows).tolist())
    assert line.low_ms == pytest.approx(low.tolist())
    assert line.high_ms == pytest.approx(high.tolist())
    fast = [v for v, is_fast in zip(response.values, line.fast, strict=True) if is_fast]
    assert fast == own.fast_widths("wide", [12, 32])
    assert len(line.envelope_ms) == len(response.values)
    assert line.too_large_from is None
    # The same number as any prediction gives.
    (prediction,) = api.post(
        "/v1/predictions",
        json={"target": bench.target, "space": bench.space.hash, "widths": [[12, 20]]},
    ).json()["predictions"]
    assert line.latency_ms[19] == pytest.approx(prediction["latency_ms"], rel=1e-9)
    assert drawn(api, bench, at={"stem": 12, "wide": 3}, coverage=0.7) == response


def test_measured_points_are_those_on_the_line(bench: Bench, api: TestClient) -> None:
    block = next(b.name for b in bench.space.blocks if "wide" in bench.widths(b.name))

    def taken(ms: float, name: str | None = None, **fields: Any) -> Any:
        changed = {key: fields.pop(key) for key in ("stem", "wide") if key in fields}
        return bench.sample(ms, name, workload=bench.workload(name, **changed), **fields)

    old = taken(9.0, wide=4, id="old-epoch")
    store(bench, old)
    with bench.ctx.db.write() as session:
        row = DeviceRepository(session).lock_target(bench.target)
        assert row is not None
        row.open_epoch(bench.clock.now())
    bench.clock.advance(1)
    at = "2026-01-31T12:00:01Z"
    store(
        bench,
        taken(2.0, wide=8, id="on-the-line", p10_ms=1.9, p90_ms=2.2, std_ms=0.1, measured_at=at),
        taken(2.1, wide=8, id="once-more", measured_at=at),
        taken(1.0, wide=2, id="narrower", measured_at=at),
        taken(3.0, wide=8, stem=8, id="another-stem", measured_at=at),
        taken(4.0, wide=8, id="disturbed", disturbed=True, measured_at=at),
        taken(5.0, wide=8, id="a-sentinel", sentinel="memory", measured_at=at),
        taken(0.5, block, wide=8, id="of-a-block", measured_at=at),
    )
    (curve,) = drawn(api, bench).curves
    assert curve.problem is not None
    assert curve.problem.code == "no_lpnet", "what was measured is shown all the same"
    points = curve.points
    assert [(point.width, point.sample) for point in points if point.width != 8] == [
        (2, "narrower")
    ]
    assert {point.sample for point in points if point.width == 8} == {"on-the-line", "once-more"}
    first = next(point for point in points if point.sample == "on-the-line")
    assert (first.latency_ms, first.p10_ms, first.p90_ms, first.std_ms) == (2.0, 1.9, 2.2, 0.1)
    assert first.measured_at is not None
    assert {point.held_out for point in points} == {None}
    (inside,) = drawn(api, bench, block=block).curves
    assert [point.sample for point in inside.points] == ["of-a-block"]
    trainings.start(bench.ctx, bench.target, NewTraining())
    dataset.draw_missing_sides(bench.ctx, bench.target)
    (curve,) = drawn(api, bench).curves
    assert all(point.held_out is not None for point in curve.points)


def test_of_many_points_the_newest_are_shown(
    bench: Bench, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves_, "_MAX_POINTS", 3)
    for number in range(5):
        store(bench, bench.sample(workload=bench.workload(wide=number + 1), id=f"sample-{number}"))
    (curve,) = drawn(api, bench).curves
    assert [point.sample for point in curve.points] == ["sample-2", "sample-3", "sample-4"]


def test_a_target_without_a_line_says_why_and_the_others_answer(
    bench: Bench, api: TestClient, register: Callable[..., str]
) -> None:
    register("other", TargetSpec(name="other-cpu", runtime="onnxruntime", threads=1))
    publish(bench)
    curves_ = drawn(api, bench, targets=["nobody", "other-cpu", bench.target, "nobody"]).curves
    outcomes = [(curve.target, curve.problem.code if curve.problem else None) for curve in curves_]
    assert outcomes == [
        ("nobody", "not_found"),
        ("other-cpu", "no_lpnet"),
        (bench.target, None),
        ("nobody", "not_found"),
    ]
    assert [curve.line is None for curve in curves_] == [True, True, False, True]
    (other,) = drawn(api, bench, batch=3).curves
    assert other.problem is not None
    assert other.problem.code == "not_covered"
    assert "batch 3" in other.problem.detail


@pytest.fixture
def http(lite_bench: Bench) -> TestClient:
    return TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)


def test_a_block_has_lines_of_its_own(lite_bench: Bench, http: TestClient) -> None:
    info = publish(lite_bench)
    block = next(b.name for b in lite_bench.space.blocks if "wide" in lite_bench.widths(b.name))
    response = drawn(http, lite_bench, block=block)
    (curve,) = response.curves
    assert curve.line is not None
    own = predictor(lite_bench, info.id, block)
    base = own.high.repeat(32, 1)
    base[:, own.widths.index("wide")] = torch.arange(1, 33).double()
    assert curve.line.latency_ms == pytest.approx(own(base).tolist())


def test_the_advice_says_what_counts_as_the_same(lite_bench: Bench, http: TestClient) -> None:
    publish(lite_bench)
    (curve,) = drawn(http, lite_bench).curves
    assert (curve.noise_floor_pct, curve.same_within_pct) == (None, 2.0)
    again = []
    start = lite_bench.clock.now()
    for stem in range(2, 12):
        workload = lite_bench.workload(stem=stem)
        for minute, ms in enumerate((1.0, 1.06)):
            fields = {"session": f"session-{ms}", "measured_at": start + timedelta(minutes=minute)}
            again.append(lite_bench.sample(ms, workload=workload, **fields))
    store(lite_bench, *again)
    (curve,) = drawn(http, lite_bench).curves
    assert curve.noise_floor_pct == pytest.approx(100 * 0.06 / 1.03)
    assert curve.same_within_pct == pytest.approx(200 * 0.06 / 1.03)
    assert curve.advice
    for advice in curve.advice:
        assert advice.text


def test_what_does_not_fit_in_memory_is_marked_and_never_advised(
    lite_bench: Bench, http: TestClient
) -> None:
    publish(lite_bench, stem=2)
    unfit(lite_bench, 8)
    (curve,) = drawn(http, lite_bench, width="stem").curves
    assert curve.line is not None
    assert curve.line.too_large_from == 8
    assert len(curve.line.latency_ms) == 16
    for advice in curve.advice:
        assert max(advice.keep or 0, advice.last or 0, advice.against or 0) < 8, advice


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"space": "0" * 64}, 404, None),
        ({"block": "nowhere"}, 422, "block"),
        ({"width": "nothing"}, 422, "width"),
        ({"at": {"stem": 99}}, 422, "at.stem"),
        ({"at": {"nothing": 1}}, 422, "at.nothing"),
        ({"at": {"stem": 10**400}}, 422, "at.stem"),
        ({"targets": []}, 422, "targets"),
        ({"targets": ["a"] * 7}, 422, "targets"),
        ({"coverage": 1.0}, 422, "coverage"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_field(
    lite_bench: Bench, http: TestClient, fields: dict[str, Any], status: int, field: str | None
) -> None:
    publish(lite_bench, untrained_lpnet(lite_bench))
    answer = http.post("/v1/curves", json=request(lite_bench, **fields))
    assert answer.status_code == status, answer.text
    errors = [error["field"] for error in answer.json()["errors"]]
    assert errors == ([] if field is None else [field])


def test_a_width_of_too_many_values_is_refused(
    lite_bench: Bench, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves_, "MAX_VALUES", 31)
    answer = http.post("/v1/curves", json=request(lite_bench))
    assert answer.status_code == 422
    assert "at most 31 values, got 32" in answer.json()["errors"][0]["reason"]
