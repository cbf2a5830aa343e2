"""Trainings on data that no device gives: each ends with a model or a reason, and the worker goes
on."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.schemas.lpnet import NewTraining, PredictionRequest, Training
from lpnet.schemas.sample import SampleBatch
from lpnet_service.services.learning import trainings
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import predictions
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

Bench = Any
# The limits of what is taken for a latency, in ms.
SHORT, LONG = 1e-6, 3.6e6


@pytest.fixture(autouse=True)
def _quick_training() -> None:
    """Training is the subject here: LPNets have their full size."""


def trained(bench: Bench, *ms: float) -> Training:
    """What comes of a training on networks of those latencies, over and over."""
    samples = [
        bench.sample(ms[n % len(ms)], workload=bench.workload(stem=4 + n % 12, wide=8 + n % 24))
        for n in range(40)
    ]
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    training = trainings.start(bench.ctx, bench.target, NewTraining(seed=1))
    assert tick(bench.ctx, KINDS)
    assert not tick(bench.ctx, KINDS), "the worker is there for the next one"
    return trainings.get(bench.ctx, training.id)


@pytest.mark.slow
@pytest.mark.parametrize("ms", [(SHORT,), (LONG,), (SHORT, LONG)])
def test_latencies_without_sense_give_numbers_or_a_reason(
    lite_bench: Bench, ms: tuple[float, ...]
) -> None:
    report = trained(lite_bench, *ms)
    if report.state == "failed":
        assert report.error
        return
    request = PredictionRequest(
        target=lite_bench.target,
        space=lite_bench.space.hash,
        widths=(lite_bench.widths(),),
        gradient=True,
    )
    (prediction,) = predictions.predict(lite_bench.ctx, request).predictions
    assert 0 < prediction.low_ms <= prediction.latency_ms <= prediction.high_ms < float("inf")


@pytest.mark.parametrize(
    "ms", [0.0, -1.0, 5e-324, 0.9 * SHORT, 1.1 * LONG, float("inf"), float("nan")]
)
def test_what_is_no_latency_is_not_stored(lite_bench: Bench, ms: float) -> None:
    with pytest.raises(ValueError, match="latency_ms"):
        lite_bench.sample(ms)
