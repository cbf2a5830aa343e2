"""A space with a squeeze-excite, a split and a concat: uploaded, measured and predicted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from tests.harness.general_models import MODELS

from lpnet.schemas.campaign import Completion, NewCampaign
from lpnet.schemas.lpnet import NewTraining, PredictionRequest
from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.workload import OpsWorkload
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.api.app import Application
from lpnet_service.errors import BadRequest
from lpnet_service.services.learning import trainings
from lpnet_service.services.measuring import campaigns, ingest, leasing
from lpnet_service.services.reading import predictions
from lpnet_service.services.shared import spaces
from lpnet_service.worker import dataset
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

Bench = Any


@pytest.fixture(scope="module")
def space() -> Space:
    make, example = MODELS["gates"]
    with torch.random.fork_rng(devices=[]):
        return Space.from_model(make(), example, name="gates")


def simulated_ms(ops: OpTable) -> float:
    """A device whose time is a microsecond per kernel and a nanosecond per 10 MACs."""
    return float(0.001 * len(ops.rows) + 1e-7 * float(ops.macs(ops.b_in[:0])))


def measure_all(bench: Bench) -> None:
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        samples = []
        for item in lease.items:
            workload = item.workload
            part = bench.space if workload.block is None else bench.space.block(workload.block)
            ms = simulated_ms(OpTable.from_ops(part.ops(workload.widths)))
            fields = {"id": item.id, "kind": item.kind, "draw": item.draw}
            samples.append(bench.sample(ms, workload=workload.model_dump(), **fields))
        bench.complete(lease.token, Completion(samples=tuple(samples)))
        bench.clock.advance(1)


def test_its_file_comes_back_as_it_was(lite_bench: Bench) -> None:
    client = TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)
    content = lite_bench.space.to_bytes()
    answer = client.post("/v1/spaces", content=content)
    assert answer.status_code == 200, answer.text
    info = answer.json()
    assert info["ops"] == len(lite_bench.space.table.rows)
    assert [w["name"] for w in info["widths"]] == [w.name for w in lite_bench.space.widths]
    assert client.get(f"/v1/spaces/{lite_bench.space.hash}/file").content == content


def test_it_is_measured_trained_on_and_predicted(lite_bench: Bench) -> None:
    bench = lite_bench
    new = NewCampaign(
        target=bench.target, space=bench.space.hash, blocks=16, networks=12, pruned=0, repeats=0
    )
    campaign = campaigns.create(bench.ctx, new)
    measure_all(bench)
    done = campaigns.get(bench.ctx, campaign.id)
    assert (done.state, done.failed) == ("done", 0), done.failures
    training = trainings.start(bench.ctx, bench.target, NewTraining(seed=1))
    assert tick(bench.ctx, KINDS)
    trained = trainings.get(bench.ctx, training.id)
    assert trained.state == "done", trained.error
    dense = bench.widths()
    half = {w.name: w.max // 2 // w.granule * w.granule for w in bench.space.widths}
    request = PredictionRequest(
        target=bench.target, space=bench.space.hash, widths=(dense, half), gradient=True
    )
    answer = predictions.predict(bench.ctx, request)
    for prediction in answer.predictions:
        assert 0 < prediction.low_ms < prediction.latency_ms < prediction.high_ms
        assert prediction.gradient is not None
        assert set(prediction.gradient) == set(dense)


def test_a_workload_of_its_ops_is_stored_and_trained_on(lite_bench: Bench) -> None:
    ops = lite_bench.space.ops(lite_bench.space.dense)
    assert {"concat", "split", "mul", "reduce"} <= {op.type for op in ops}
    sample = lite_bench.sample(2.5, workload=OpsWorkload(ops=ops, batch=2).model_dump())
    ingest.store(lite_bench.ctx, SampleBatch(target=lite_bench.target, samples=(sample,)))
    (record,) = dataset.load(lite_bench.ctx, lite_bench.target).records
    assert record.table.ops(record.table.b_in[:0]) == ops
    assert (record.batch, record.latency_ms) == (2, 2.5)


def test_widths_are_checked_by_name(lite_bench: Bench) -> None:
    assert spaces.get(lite_bench.ctx, lite_bench.space.hash).name == "gates"
    odd = lite_bench.workload(stem=7)
    batch = SampleBatch(target=lite_bench.target, samples=(lite_bench.sample(workload=odd),))
    with pytest.raises(BadRequest) as raised:
        ingest.store(lite_bench.ctx, batch)
    assert "7 is not a multiple of 2" in str(raised.value.errors)
