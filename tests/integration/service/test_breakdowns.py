"""Where the time of a predicted network goes."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.published import publish, through

from lpnet import Client
from lpnet.errors import LpnetError
from lpnet.http import Http
from lpnet.model.files import load
from lpnet.predictor.predictor import Predictor
from lpnet.schemas.lpnet import MAX_BREAKDOWNS, PredictionResponse
from lpnet_service.api.app import Application
from lpnet_service.services.learning import lpnets

Bench = Any
WIDTHS = [[12, 20], [16, 32]]


@pytest.fixture
def http(bench: Bench) -> TestClient:
    return TestClient(Application(bench.ctx), raise_server_exceptions=False)


def predicted(http: TestClient, bench: Bench, **fields: Any) -> PredictionResponse:
    usual = {"target": bench.target, "space": bench.space.hash, "widths": WIDTHS}
    answer = http.post("/v1/predictions", json=usual | {"breakdown": True} | fields)
    assert answer.status_code == 200, answer.text
    return PredictionResponse.model_validate(answer.json())


def test_parts_add_up_to_the_prediction(bench: Bench, http: TestClient) -> None:
    info = publish(bench)
    space = bench.space
    predictor = Predictor(load(lpnets.weights(bench.ctx, info.id)), space)
    for widths, prediction in zip(WIDTHS, predicted(http, bench).predictions, strict=True):
        broken = prediction.breakdown
        assert broken is not None
        assert [(part.kind, part.name) for part in broken.parts] == [
            *(("block", block.name) for block in space.blocks),
            ("edges", None),
            ("call", None),
        ]
        assert sum(part.latency_ms for part in broken.parts) == pytest.approx(
            prediction.latency_ms, rel=1e-12
        )
        assert sum(part.share for part in broken.parts) == pytest.approx(1.0)
        assert [part.latency_ms for part in broken.parts] == pytest.approx(
            predictor.breakdown(widths).tolist(), rel=1e-5
        )
        assert (broken.macs, broken.params) == (space.macs(widths), space.params(widths))
        assert sum(part.macs for part in broken.parts) == broken.macs
        assert sum(part.params for part in broken.parts) == broken.params
        for block, part in zip(space.blocks, broken.parts, strict=False):
            own = space.block(block.name)
            kept = {w.name: space.named(widths)[w.name] for w in own.widths}
            assert (part.macs, part.params) == (own.macs(kept), own.params(kept))


def test_the_dense_network_stands_beside(bench: Bench, http: TestClient) -> None:
    publish(bench)
    response = predicted(http, bench)
    assert response.dense is not None
    assert response.dense.latency_ms == pytest.approx(response.predictions[1].latency_ms)
    assert response.dense.macs == bench.space.macs(bench.space.dense)
    assert response.dense.params == bench.space.params(bench.space.dense)


def test_without_being_asked_nothing_is_broken_down(bench: Bench, http: TestClient) -> None:
    publish(bench)
    response = predicted(http, bench, breakdown=False)
    assert [prediction.breakdown for prediction in response.predictions] == [None, None]
    assert response.dense is None


def test_the_client_asks_for_it(bench: Bench, http: TestClient) -> None:
    publish(bench)
    with Client(str(http.base_url)) as client:
        client._http = Http(str(http.base_url), transport=through(http))
        (prediction,) = client.predict(bench.target, bench.space, [8, 16], breakdown=True)
        assert prediction.breakdown is not None
        assert prediction.breakdown.parts[0].name == bench.space.blocks[0].name
        many = [[8, 16]] * (MAX_BREAKDOWNS + 1)
        with pytest.raises(LpnetError, match="with `breakdown` at most 200"):
            client.predict(bench.target, bench.space, many, breakdown=True)
