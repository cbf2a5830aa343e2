"""Publishing LPNets, predicting with them, and the latency table."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from tests.harness.published import publish, report, through, unfit, untrained_lpnet

from lpnet import Client
from lpnet.errors import DoesNotFit, api_error
from lpnet.http import Http
from lpnet.model.ensemble import Ensemble
from lpnet.model.files import load, save
from lpnet.model.kernels import coverage
from lpnet.predictor.predictor import Predictor
from lpnet.schemas.lpnet import LPNetInfo, NewTraining
from lpnet.schemas.sample import SampleBatch
from lpnet.space.memory import MIB
from lpnet_service.api.app import Application
from lpnet_service.errors import BadRequest, LeaseLost
from lpnet_service.services.learning import lpnets, runs, trainings
from lpnet_service.services.learning.lpnets import ActivationDecision
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import table
from lpnet_service.services.reading.predictions import PIECE
from lpnet_service.worker import dataset
from lpnet_service.worker.activation import decide
from lpnet_service.worker.dataset import Dataset

Bench = Any


@pytest.fixture
def http(bench: Bench) -> TestClient:
    return TestClient(Application(bench.ctx), raise_server_exceptions=False)


def test_versions_are_counted_and_one_is_active(bench: Bench) -> None:
    first, worse, better = publish(bench), publish(bench, takes_over=False), publish(bench)
    assert (first.active, worse.active, better.active) == (True, False, True)
    versions = lpnets.of_target(bench.ctx, bench.target)
    assert [(version.version, version.active) for version in versions] == [
        (3, True),
        (2, False),
        (1, False),
    ]
    assert lpnets.report(bench.ctx, better.id).lpnet == better.id
    loaded = load(lpnets.weights(bench.ctx, first.id))
    assert loaded.header.coverage == tuple(coverage(bench.space.table))


def test_a_run_that_was_lost_publishes_nothing(bench: Bench) -> None:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(bench.sample(),)))
    training = trainings.start(bench.ctx, bench.target, NewTraining())
    run = runs.claim(bench.ctx)
    assert run is not None
    trainings.cancel(bench.ctx, training.id)
    with pytest.raises(LeaseLost):
        publish_as(bench, run, ActivationDecision(None, takes_over=True))
    assert lpnets.of_target(bench.ctx, bench.target) == []


def publish_as(bench: Bench, run: ClaimedRun, verdict: ActivationDecision) -> LPNetInfo:
    content, report_ = save(untrained_lpnet(bench)), report(bench, 1.0)
    return lpnets.publish(bench.ctx, run, content, report_, verdict, epoch=1, seed=0, batches=(1,))


def test_a_verdict_about_a_version_no_longer_in_use_publishes_nothing(bench: Bench) -> None:
    first = publish(bench)
    trainings.start(bench.ctx, bench.target, NewTraining())
    run = runs.claim(bench.ctx)
    assert run is not None
    with pytest.raises(lpnets.ActiveVersionChanged):
        publish_as(bench, run, ActivationDecision(None, takes_over=True))
    assert [version.id for version in lpnets.of_target(bench.ctx, bench.target)] == [first.id]
    assert publish_as(bench, run, ActivationDecision(first.id, takes_over=True)).active


def test_what_was_trained_on_an_epoch_that_is_over_does_not_take_over(bench: Bench) -> None:
    assert publish(bench, epoch=2).active
    assert not publish(bench, epoch=2).active


def held_out(bench: Bench, ms: dict[int, float]) -> Dataset:
    """Networks by how wide their stem is, all of them held out."""
    samples = [bench.sample(value, workload=bench.workload(stem=n)) for n, value in ms.items()]
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    data = dataset.load(bench.ctx, bench.target)
    return replace(data, records=tuple(replace(r, held_out=True) for r in data.records))


def said_ms(bench: Bench, lpnet: Ensemble, stem: int) -> float:
    return float(Predictor(lpnet, bench.space)([stem, 32]))


def test_versions_are_compared_on_the_same_held_out_workloads(bench: Bench) -> None:
    right, wrong = untrained_lpnet(bench, seed=1), untrained_lpnet(bench, seed=2)
    data = held_out(bench, {n: said_ms(bench, right, n) for n in (4, 8, 12)})
    assert decide(bench.ctx, save(wrong), data) == ActivationDecision(None, takes_over=True)
    active = publish(bench, wrong)
    assert decide(bench.ctx, save(right), data) == ActivationDecision(active.id, takes_over=True)
    active = publish(bench, right)
    assert decide(bench.ctx, save(wrong), data) == ActivationDecision(active.id, takes_over=False)
    assert decide(bench.ctx, save(right), data) == ActivationDecision(active.id, takes_over=True)
    nothing = replace(data, records=tuple(replace(r, held_out=False) for r in data.records))
    assert decide(bench.ctx, save(wrong), nothing) == ActivationDecision(
        active.id, takes_over=True
    )


def test_whoever_covers_more_of_the_held_out_workloads_answers(bench: Bench) -> None:
    fewer = tuple(text for text in coverage(bench.space.table) if "depthwise" not in text)
    right, blind = untrained_lpnet(bench, seed=1), untrained_lpnet(bench, seed=1, coverage=fewer)
    data = held_out(bench, {n: 2 * said_ms(bench, right, n) for n in (4, 8)})
    active = publish(bench, blind)
    assert decide(bench.ctx, save(right), data) == ActivationDecision(active.id, takes_over=True)
    active = publish(bench, right)
    assert decide(bench.ctx, save(blind), data) == ActivationDecision(active.id, takes_over=False)


def test_a_prediction_is_that_of_the_predictor(bench: Bench, http: TestClient) -> None:
    info = publish(bench)
    request = {
        "target": bench.target,
        "space": bench.space.hash,
        "widths": [bench.widths(stem=8), [5.5, 17]],
        "gradient": True,
    }
    answer = http.post("/v1/predictions", json=request)
    assert answer.status_code == 200, answer.text
    assert answer.json()["lpnet"] == info.id
    predictor = Predictor(load(lpnets.weights(bench.ctx, info.id)), bench.space)
    widths = torch.tensor([[8, 32], [5.5, 17]], dtype=torch.float64, requires_grad=True)
    ms = predictor(widths)
    (gradient,) = torch.autograd.grad(ms.sum(), widths)
    ms, (low, high) = ms.detach(), predictor.interval(widths.detach(), 0.9)
    for index, prediction in enumerate(answer.json()["predictions"]):
        assert prediction["latency_ms"] == pytest.approx(float(ms[index]))
        assert prediction["low_ms"] == pytest.approx(float(low[index]))
        assert prediction["high_ms"] == pytest.approx(float(high[index]))
        assert list(prediction["gradient"]) == list(predictor.widths)
        assert list(prediction["gradient"].values()) == pytest.approx(gradient[index].tolist())


def test_many_networks_are_predicted_in_pieces(bench: Bench, http: TestClient) -> None:
    """All at once, a permitted request for a large space would take gigabytes."""
    publish(bench)
    stems = [1 + number % 8 for number in range(2 * PIECE + 5)]
    sizes: list[int] = []
    with torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: (
            sizes.append(len(inputs[0])) if isinstance(module, Predictor) else None
        )
    ):
        answer = http.post(
            "/v1/predictions",
            json={
                "target": bench.target,
                "space": bench.space.hash,
                "widths": [[stem, 16] for stem in stems],
                "gradient": True,
            },
        ).json()
    assert max(sizes) == PIECE
    single = http.post(
        "/v1/predictions",
        json={
            "target": bench.target,
            "space": bench.space.hash,
            "widths": [[stem, 16] for stem in range(1, 9)],
        },
    ).json()
    expected = [single["predictions"][stem - 1]["latency_ms"] for stem in stems]
    latencies = [prediction["latency_ms"] for prediction in answer["predictions"]]
    assert latencies == pytest.approx(expected, rel=1e-9)


def test_without_being_asked_no_gradient_comes(bench: Bench, http: TestClient) -> None:
    publish(bench)
    request = {"target": bench.target, "space": bench.space.hash, "widths": [[16, 32]]}
    (prediction,) = http.post("/v1/predictions", json=request).json()["predictions"]
    assert prediction["gradient"] is None
    assert 0 < prediction["low_ms"] < prediction["latency_ms"] < prediction["high_ms"]


def test_a_prediction_says_whether_the_network_fits(bench: Bench, http: TestClient) -> None:
    publish(bench, stem=2)
    request = {"target": bench.target, "space": bench.space.hash}
    request |= {"widths": [bench.widths(stem=4), bench.widths(stem=12)]}
    answer = http.post("/v1/predictions", json=request | {"fitting": True})
    assert [prediction["memory"] for prediction in answer.json()["predictions"]] == [None, None]
    # It failed after the training, and counts all the same.
    unfit(bench, 8)
    predictions_ = http.post("/v1/predictions", json=request).json()["predictions"]
    needs = [bench.space.memory(bench.widths(stem=stem)) / MIB for stem in (4, 12)]
    assert [prediction["memory"] for prediction in predictions_] == [
        {"verdict": "unknown", "need_mib": needs[0]},
        {"verdict": "does not fit", "need_mib": needs[1]},
    ]
    refused = http.post("/v1/predictions", json=request | {"fitting": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "does_not_fit")
    assert f"{needs[1]:.4g} MiB" in refused.json()["detail"]
    error = api_error(409, "does_not_fit", refused.json()["detail"])
    assert isinstance(error, DoesNotFit)
    fine = request | {"fitting": True, "widths": request["widths"][:1]}
    assert http.post("/v1/predictions", json=fine).status_code == 200


def test_a_predictor_knows_what_failed_after_its_training(bench: Bench, http: TestClient) -> None:
    publish(bench, stem=2)
    widths = bench.widths(stem=8)
    with Client(str(http.base_url)) as client:
        client._http = Http(str(http.base_url), transport=through(http))
        client.predictor(bench.target, bench.space).check(widths)
        unfit(bench, 8)
        predictor = client.predictor(bench.target, bench.space)
        assert predictor.memory(widths).verdict == "does not fit"
        with pytest.raises(DoesNotFit) as local:
            predictor.check(widths)
        with pytest.raises(DoesNotFit) as remote:
            client.predict(bench.target, bench.space, widths, fitting=True)
    assert str(local.value) in str(remote.value)


def refusal(http: TestClient, bench: Bench, **fields: Any) -> tuple[int, str, list[str]]:
    request = {"target": bench.target, "space": bench.space.hash, "widths": [[16, 32]]} | fields
    answer = http.post("/v1/predictions", json=request)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    return answer.status_code, body["code"], [fault["field"] for fault in body["errors"]]


def test_what_cannot_be_predicted_is_refused_with_its_reason(
    bench: Bench, http: TestClient
) -> None:
    assert refusal(http, bench) == (409, "no_lpnet", [])
    publish(bench)
    assert refusal(http, bench, target="nobody") == (404, "not_found", [])
    assert refusal(http, bench, space="0" * 64) == (404, "not_found", [])
    assert refusal(http, bench, batch=7) == (409, "not_covered", [])
    widths: dict[str, Any] = {
        "widths.1": [[16, 32], [16]],
        "widths.0.stem": [bench.widths(stem=17)],
        "widths.0.other": [bench.widths(other=1)],
    }
    for field, value in widths.items():
        assert refusal(http, bench, widths=value) == (422, "widths_error", [field])
    status, code, _ = refusal(http, bench, widths=[[16, 33]])
    assert (status, code) == (422, "widths_error")
    assert refusal(http, bench, widths=[[16, 10**400]])[0] == 422
    assert refusal(http, bench, widths=[bench.widths(stem=10**400)])[1] == "widths_error"


def test_ops_that_were_never_seen_are_named(bench: Bench, http: TestClient) -> None:
    covered = coverage(bench.space.table)
    missing = next(text for text in covered if "depthwise" in text)
    publish(bench, untrained_lpnet(bench, coverage=tuple(s for s in covered if s != missing)))
    request = {"target": bench.target, "space": bench.space.hash, "widths": [[16, 32]]}
    answer = http.post("/v1/predictions", json=request)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_covered")
    assert missing in answer.json()["detail"]


def test_weights_are_sent_once(bench: Bench, http: TestClient) -> None:
    info = publish(bench)
    first = http.get(f"/v1/lpnets/{info.id}/weights")
    assert first.headers["etag"] == f'"{info.weights_sha256}"'
    assert load(first.content).header.target == bench.target
    again = http.get(
        f"/v1/lpnets/{info.id}/weights", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert http.get(f"/v1/lpnets/{info.id}/report").json()["lpnet"] == info.id
    assert http.get(f"/v1/lpnets/{info.id}").json()["network_mape_pct"] == 3.0


def page(bench: Bench, **fields: Any) -> Any:
    options = {"sort": "latency_ms", "after": None, "limit": 100, "filters": {}} | fields
    filters = options.pop("filters")
    return table.page(bench.ctx, bench.target, filters, **options)


def fill(bench: Bench) -> None:
    block = bench.space.blocks[0].name
    unseen = {"ops": [{"type": "resize", "c_in": 3, "c_out": 3, "h": 8, "w": 8}]}
    conv = {"type": "conv2d", "c_in": 3, "c_out": 8, "h": 16, "w": 16, "kernel": [3, 3]}
    relu = {"type": "activation", "function": "relu", "c_in": 8, "c_out": 8, "h": 16, "w": 16}
    covered = {"ops": [conv | {"padding": [1, 1]}, relu]}
    samples = (
        bench.sample(3.0, measured_at="2026-01-01T12:00:00Z"),
        bench.sample(2.0, block=block, disturbed=True),
        bench.sample(1.0, kind="block", workload=unseen),
        bench.sample(4.0, kind="block", workload=covered),
        bench.sample(5.0, sentinel="memory"),
    )
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


def test_a_table_without_an_lpnet_holds_what_was_measured(bench: Bench) -> None:
    fill(bench)
    page_ = page(bench)
    assert [row.latency_ms for row in page_.items] == [1.0, 2.0, 3.0, 4.0]
    assert [row.disturbed for row in page_.items] == [False, True, False, False]
    assert {(row.predicted_ms, row.error_pct, row.held_out) for row in page_.items} == {
        (None, None, None)
    }
    assert (page_.lpnet, page_.next) == (None, None)


def test_a_table_shows_what_the_lpnet_says(bench: Bench) -> None:
    info = publish(bench)
    fill(bench)
    page_ = page(bench)
    assert page_.lpnet == info.id
    lpnet = load(lpnets.weights(bench.ctx, info.id))
    for row in page_.items:
        if row.latency_ms == 1.0 and row.kind == "block":
            assert (row.predicted_ms, row.error_pct) == (None, None)
            continue
        assert row.error_pct == pytest.approx(100 * (row.predicted_ms / row.latency_ms - 1))
    networks = [row for row in page_.items if row.kind == "network"]
    dense = float(Predictor(lpnet, bench.space)([16, 32]))
    assert [row.predicted_ms for row in networks] == pytest.approx([dense, dense])
    assert page(bench) == page_


@pytest.mark.parametrize("sort", ["latency_ms", "measured_at"])
def test_pages_of_a_table_join_up(bench: Bench, sort: str) -> None:
    many = [
        bench.sample(1.0 + (i * 7 % 5), measured_at=f"2026-01-{1 + i * 3 % 7:02}T00:00:00Z")
        for i in range(20)
    ]
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(many)))
    listed: list[Any] = []
    after: str | None = None
    while True:
        page_ = page(bench, sort=sort, after=after, limit=3)
        listed += page_.items
        after = page_.next
        if after is None:
            break
    assert len({row.id for row in listed}) == 20
    values = [getattr(row, sort) for row in listed]
    assert values == sorted(values)


def test_a_table_is_filtered(bench: Bench) -> None:
    fill(bench)
    block = bench.space.blocks[0].name
    assert [row.latency_ms for row in page(bench, filters={"block": block}).items] == [2.0]
    assert [row.latency_ms for row in page(bench, filters={"kind": "network"}).items] == [3.0]
    hash_ = bench.space.hash
    assert [row.latency_ms for row in page(bench, filters={"space": hash_}).items] == [2.0, 3.0]


@pytest.mark.parametrize("after", ["x", "e30=", "W10=", "é", "WyJsYXRlbmN5X21zIiwgTmFOLCAxXQ=="])
def test_a_table_after_nothing_is_refused(bench: Bench, after: str) -> None:
    with pytest.raises(BadRequest, match="after"):
        page(bench, after=after)
    fill(bench)
    other = page(bench, sort="measured_at", limit=1).next
    with pytest.raises(BadRequest, match="after"):
        page(bench, after=other)


def test_not_a_number_stays_out_of_the_table(bench: Bench) -> None:
    publish(bench)
    fill(bench)
    assert all(
        row.predicted_ms is None or math.isfinite(row.predicted_ms) for row in page(bench).items
    )
