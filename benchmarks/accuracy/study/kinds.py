"""The registered kinds of latency model as methods, and without some of their features."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

from torch import Tensor

from benchmarks.accuracy.study.draws import TARGET, Draw
from benchmarks.accuracy.study.prediction import Prediction, Run
from benchmarks.accuracy.study.sharing import SharedFits, trainers
from lpnet.model.features import DYNAMIC, STATIC
from lpnet.model.files import save
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.op_process.columns import features_of
from lpnet.model.registry import KINDS
from lpnet_service.training.ensemble import trainer as ensemble
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.headers import new_header
from lpnet_service.training.op_process import distinct
from lpnet_service.training.records import RecordSet
from lpnet_service.training.registry import trainer_of

COVERAGE = 0.9
# The last channel features are logs. Those before say how far channels are from multiples of 4 to
# 64.
LOGS = 5


def run_of(kind: str, shared: SharedFits) -> Run:
    """Trains a model of that kind as `lpnet_service.training.train` does, without a report.

    Components that were fitted to the same records before are taken from `shared`.
    """

    def run(draw: Draw) -> Prediction:
        trainer = trainer_of(kind)
        header = new_header(draw.training, TARGET, 1, draw.seed, None)
        with shared.within(trainer):
            model, _ = trainer.fit_crossed(draw.training, header, lambda share, stage: None)
        predicted = trainer.predict(model, draw.test)
        factor = model.header.calibration.quantile(COVERAGE, "block")
        return Prediction(predicted.ms, factor * predicted.spread, len(save(model)))

    return run


def modules_of(kind: str) -> tuple[str, ...]:
    """The modules of the model, of its trainer, and of the trainers that this one holds."""
    modules = tuple(type(own).__module__ for own in trainers(trainer_of(kind)))
    return (*modules, KINDS[kind].__module__) if kind in KINDS else modules


def without_alignment(kind: str) -> Run:
    """Trains without the features of alignment."""

    def run(draw: Draw) -> Prediction:
        with (
            patch.object(ensemble, "KernelInputs", _Unaligned),
            patch.object(distinct, "features_of", _unaligned_features),
        ):
            return run_of(kind, SharedFits())(draw)

    return run


class _Unaligned(KernelInputs):
    @classmethod
    def of(cls, records: RecordSet) -> KernelInputs:
        inputs = KernelInputs.of(records)
        return replace(inputs, features=_without_steps(inputs.features))


def _unaligned_features(kernels: KernelTensors) -> tuple[Tensor, Tensor]:
    features, logs = features_of(kernels)
    return _without_steps(features), logs


def _without_steps(features: Tensor) -> Tensor:
    features = features.clone()
    features[:, STATIC : STATIC + DYNAMIC - LOGS] = 0.0
    return features
