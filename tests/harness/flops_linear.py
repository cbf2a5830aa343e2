"""A second kind of latency model: ms are linear in FLOPs. docs/develop/add-a-latency-model.md
builds it step by step; tests register it beside the kinds that lpnet has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lpnet.model.base import BoundModel, KernelContext, LatencyModel
from lpnet.model.header import Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.space.table import OpTable
from lpnet_service.training.conformal import calibration
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Progress, Trainer


class FlopsLinear(LatencyModel):
    """ms = a * FLOPs + b for every kernel; `coefficients` (2,) are a and b."""

    kind = "flops_linear_in_tests"

    coefficients: Tensor

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self.register_buffer("coefficients", torch.tensor([1e-7, 1e-3]))

    def bind_kernels(self, kernels: KernelTensors) -> BoundFlopsLinear:
        return BoundFlopsLinear(self, kernels)


class BoundFlopsLinear(BoundModel):
    cost: Tensor
    coefficients: Tensor

    def __init__(self, model: FlopsLinear, kernels: KernelTensors) -> None:
        super().__init__(model.header, kernels)
        self.register_buffer("cost", kernels.cost, persistent=False)
        self.register_buffer("coefficients", model.coefficients, persistent=False)

    def prices(self, kernels: Tensor | None, context: KernelContext) -> Tensor:
        cost = self.cost.to(context.c_in)
        cost = cost if kernels is None else cost[:, kernels]
        slope, constant = self.coefficients.to(context.c_in)
        ms: Tensor = slope * flops(cost, context) + constant
        return ms


def flops(cost: Tensor, context: KernelContext) -> Tensor:
    """FLOPs of kernels (..., N) whose `cost` is (5, N), as KernelTensors has it."""
    inputs = cost[0] * (context.c_in / context.groups).log()
    return torch.exp(inputs + context.c_out.log() + cost[1])


class FlopsLinearTrainer(Trainer[FlopsLinear]):
    """Least squares on the relative error; intervals from the errors of the same records."""

    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> FlopsLinear:
        progress(0.0, "fitting")
        model = FlopsLinear(header)
        totals = np.array([self._totals(record.table, record.batch) for record in records.records])
        relative = totals / records.latency[:, None]
        solution = np.linalg.lstsq(relative, np.ones(len(records)), rcond=None)[0]
        model.coefficients.copy_(torch.from_numpy(np.maximum(solution, 1e-12)))
        error = np.abs(np.log(self.predict(model, records).ms / records.latency))
        spread = max(float(np.median(error)), 1e-3)
        every = np.ones(len(records), dtype=np.bool_)
        model.header = header.model_copy(
            update={
                "base_spread": spread,
                "calibration": calibration(error / spread, every, records.network),
            }
        )
        return model

    @staticmethod
    def _totals(table: OpTable, batch: int) -> tuple[float, int]:
        """FLOPs and kernels of a table without widths."""
        kernels = KernelTensors.of(table, batch)
        absent = torch.ones_like(kernels.b_in)
        context = KernelContext(kernels.b_in, kernels.b_out, absent, absent, kernels.b_g)
        return float(flops(kernels.cost, context).sum()), kernels.count
