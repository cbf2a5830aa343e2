"""LPNets of a test's service, published without training; and a client that reaches it."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi.testclient import TestClient

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.files import save
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.schemas.campaign import Completion, ItemFailure, NewCampaign, PlannedWorkload
from lpnet.schemas.lpnet import LPNetInfo, NewTraining
from lpnet.schemas.report import (
    Baseline,
    Baselines,
    HeldOut,
    Interval,
    Metrics,
    Report,
    TrainedOn,
)
from lpnet.schemas.sample import SampleBatch
from lpnet_service.services.learning import lpnets, runs, trainings
from lpnet_service.services.learning.lpnets import ActivationDecision
from lpnet_service.services.measuring import campaigns, ingest, leasing

# Of tests/integration/service/conftest.py, which cannot be imported from.
Bench = Any


def untrained_lpnet(bench: Bench, seed: int = 0, **header: Any) -> Ensemble:
    """An LPNet that covers the bench's space; its prices are those of its initial weights."""
    fields = {
        "target": bench.target,
        "seed": seed,
        "batches": (1,),
        "coverage": tuple(coverage(bench.space.table)),
        "calibration": Calibration(coverages=(0.5, 0.9), block=(0.7, 1.6), network=(0.7, 1.6)),
    }
    return Ensemble(EnsembleHeader(**(fields | header)))


def report(bench: Bench, mape: float | None, noise: float | None = None) -> Report:
    metrics = mape and Metrics(
        n=10, mape_pct=mape, rmspe_pct=mape, within_5_pct=1, within_10_pct=1, spearman=None
    )
    none = dict.fromkeys(Baselines.model_fields, Baseline())
    return Report(
        target=bench.target,
        lpnet=None,
        epoch=1,
        seed=0,
        trained_on=TrainedOn(block=1, network=1),
        noise_floor_pct=noise,
        held_out=HeldOut(
            block=None,
            network=metrics,
            network_random=None,
            network_aligned=None,
            network_pruned=None,
        ),
        baselines=Baselines(**none),
        interval=Interval(asked_pct=90, covered_pct=None, mean_width_pct=None),
    )


def publish(
    bench: Bench,
    lpnet: Ensemble | None = None,
    mape: float | None = 3.0,
    *,
    takes_over: bool = True,
    epoch: int = 1,
    stem: int = 16,
) -> LPNetInfo:
    """An LPNet of a target that one network was measured on, with such a stem."""
    sample = bench.sample(workload=bench.workload(stem=stem))
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(sample,)))
    training = trainings.start(bench.ctx, bench.target, NewTraining())
    run = runs.claim(bench.ctx)
    assert run is not None
    content = save(lpnet or untrained_lpnet(bench))
    verdict = ActivationDecision(lpnets.active(bench.ctx, bench.target), takes_over)
    info = lpnets.publish(
        bench.ctx, run, content, report(bench, mape), verdict, epoch=epoch, seed=0, batches=(1,)
    )
    done = trainings.get(bench.ctx, training.id)
    assert (done.state, done.lpnet) == ("done", info.id)
    return info


def unfit(bench: Bench, stem: int) -> None:
    """A network of such a stem fails for want of memory."""
    planned = PlannedWorkload(kind="network", workload=bench.workload(stem=stem))
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=(planned,))
    campaigns.create(bench.ctx, new)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    failed = ItemFailure(item=lease.items[0].id, reason="too large", out_of_memory=True)
    bench.complete(lease.token, Completion(failures=(failed,)))


def through(http: TestClient) -> httpx.MockTransport:
    """The API that a test client reaches, for a client of ours."""

    def answer(request: httpx.Request) -> httpx.Response:
        response = http.request(
            request.method,
            request.url.raw_path.decode(),
            content=request.content,
            headers=dict(request.headers),
        )
        kind = {"content-type": response.headers["content-type"]}
        return httpx.Response(response.status_code, content=response.content, headers=kind)

    return httpx.MockTransport(answer)
