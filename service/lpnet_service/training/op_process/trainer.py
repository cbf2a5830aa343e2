"""The trainer of op processes: fit, calibrate, predict."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from lpnet.model.header import Calibration, Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.op_process import OpProcess, OpProcessHeader
from lpnet_service.training.conformal import calibration
from lpnet_service.training.op_process.calibrating import cross_predictions
from lpnet_service.training.op_process.distinct import DistinctKernels
from lpnet_service.training.op_process.fitting import FULL, QUICK, Fitted, fit
from lpnet_service.training.records import RecordSet, by_workload
from lpnet_service.training.trainer import Predictions, Progress, Trainer

# Shares of the time, for progress.
_PREPARED, _FITTED = 0.1, 0.85
# Kernels that are predicted at once.
_CHUNK = 4000


class OpProcessTrainer(Trainer[OpProcess]):
    """A roofline of each type of kernel, and a Gaussian process over kernels as its correction."""

    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> OpProcess:
        return self.fit_crossed(records, header, progress, quick=quick)[0]

    def fit_crossed(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> tuple[OpProcess, Predictions]:
        """Each record is predicted by the fit of a fold of the calibration."""
        settings = QUICK if quick else FULL
        own_header = OpProcessHeader.model_validate(header.model_dump())
        progress(0.0, "preparing kernels")
        kernels = DistinctKernels.of(records)

        def fitting(share: float) -> None:
            progress(_PREPARED + (_FITTED - _PREPARED) * share, "fitting")

        floor_pct = header.noise_floor_pct
        fitted = fit(kernels, own_header.types, header.seed, floor_pct, settings, fitting)
        progress(_FITTED, "calibrating")
        workloads = by_workload(records.records)
        crossed = cross_predictions(fitted, kernels, workloads, header.seed, floor_pct, settings)
        scores = np.abs(np.log(records.latency / crossed.ms)) / crossed.spread
        factors = calibration(scores, np.isfinite(scores), records.network)
        return model_of(own_header, fitted, kernels.static, factors), crossed

    def predict(self, model: OpProcess, records: RecordSet) -> Predictions:
        ms, spread = [], []
        with torch.no_grad():
            for kernels in _chunks(records):
                bound = model.bind_kernels(kernels)
                channels = torch.stack(bound.contexts(torch.zeros(0).double()))
                every = torch.arange(kernels.count)
                total = bound.sums(every, channels, kernels.segment, kernels.segments)
                ms.append(total.ms.numpy())
                spread.append(total.spread().numpy())
        return Predictions(np.concatenate(ms), np.concatenate(spread))


def _chunks(records: RecordSet) -> Iterator[KernelTensors]:
    parts: list[KernelTensors] = []
    for record in records.records:
        parts.append(KernelTensors.of(record.table, record.batch))
        if sum(part.count for part in parts) >= _CHUNK:
            yield KernelTensors.cat(parts)
            parts = []
    if parts:
        yield KernelTensors.cat(parts)


def model_of(
    header: OpProcessHeader, fitted: Fitted, static: int, factors: Calibration
) -> OpProcess:
    """The model of a fit to kernels with so many static features."""
    update = {
        "static": static,
        "inducing": len(fitted.basis.types),
        "columns": len(fitted.scaling.columns),
        "base_spread": float(np.sqrt(fitted.process.noise)),
        "calibration": factors,
    }
    model = OpProcess(header.model_copy(update=update))
    process, basis, posterior = fitted.process, fitted.basis, fitted.posterior
    deviation = np.sqrt(process.variance[basis.types])
    # From correlations with the inducing kernels to the normals that g is a sum of.
    to_normals = basis.inverse.T * deviation
    values = {
        "rates": fitted.rates,
        "columns": fitted.scaling.columns,
        "mean": fitted.scaling.mean,
        "scale": fitted.scaling.scale / process.lengths,
        "points": basis.points,
        "types": basis.types,
        "weights": to_normals @ posterior.weights,
        "factor": to_normals @ posterior.factor,
        "variance": process.variance,
    }
    for name, value in values.items():
        getattr(model, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return model
