"""LPNets published as a worker does it, without the minutes of a fit."""

from __future__ import annotations

from typing import Any

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.files import save
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.schemas.lpnet import LPNetInfo, NewTraining
from lpnet.schemas.report import Baseline, Baselines, HeldOut, Interval, Report, TrainedOn
from lpnet.schemas.sample import SampleBatch
from lpnet_service.services.learning import lpnets, runs, trainings
from lpnet_service.services.learning.lpnets import ActivationDecision
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.measuring import ingest
from lpnet_service.services.shared import targets

Bench = Any


def train(bench: Bench, seed: int = 0) -> LPNetInfo:
    """Measure a network, and publish an LPNet that takes over."""
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(bench.sample(),)))
    trainings.start(bench.ctx, bench.target, NewTraining(seed=seed))
    run = runs.claim(bench.ctx)
    assert run is not None
    return publish(bench, run, seed)


def publish(bench: Bench, run: ClaimedRun, seed: int = 0) -> LPNetInfo:
    """What a run of a training comes to: an LPNet of its initial weights."""
    epoch = targets.get_target(bench.ctx, bench.target).epoch
    header = EnsembleHeader(
        target=bench.target,
        seed=seed,
        batches=(1,),
        coverage=tuple(coverage(bench.space.table)),
        calibration=Calibration(coverages=(0.5, 0.9), block=(0.7, 1.6), network=(0.7, 1.6)),
    )
    report = Report(
        target=bench.target,
        lpnet=None,
        epoch=epoch,
        seed=seed,
        trained_on=TrainedOn(block=1, network=1),
        noise_floor_pct=None,
        held_out=HeldOut(**dict.fromkeys(HeldOut.model_fields)),
        baselines=Baselines(**dict.fromkeys(Baselines.model_fields, Baseline())),
        interval=Interval(asked_pct=90, covered_pct=None, mean_width_pct=None),
    )
    verdict = ActivationDecision(lpnets.active(bench.ctx, bench.target), takes_over=True)
    content = save(Ensemble(header))
    return lpnets.publish(
        bench.ctx, run, content, report, verdict, epoch=epoch, seed=seed, batches=(1,)
    )
