"""Latency models with a Gaussian process over kernels.

    price = (a FLOPs + b bytes + c) exp(g(x))        a, b, c by type of kernel

`a FLOPs + b bytes + c` is the roofline of the type. g is a Gaussian process over the features x of
a kernel: Matern 3/2 with a length for each feature, independent between types of kernel, with
mean 0. So beyond the data the price tends to the roofline, and its spread to the prior's.

The process is kept as its values at inducing kernels (subset of regressors, with the variance of
FITC: Quinonero-Candela and Rasmussen, A unifying view of sparse approximate Gaussian process
regression, 2005).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.op_process.bound import BoundOpProcess
from lpnet.model.op_process.header import OpProcessHeader

# Before training: ms per FLOP, per byte and per kernel, as on a core of a CPU.
START = (4e-8, 1e-7, 1e-3)


class OpProcess(LatencyModel):
    """M inducing kernels in D features, for T types of kernel.

    `rates` (3, T) are ms per FLOP, per byte and per kernel. The process is over the features
    `columns` (D,), less `mean` and times `scale` (both (D,)), so that its lengths are 1. The
    inducing kernels are `points` (M, D) of `types` (M,). With r (M,) the correlations of a kernel
    with them, g is `weights @ r`. `factor` (M, M) gives the posterior variance of a weighted sum
    of g: the squared length of the weighted sum of `r @ factor`. `variance` (T,) is the prior
    variance of g.
    """

    kind = "op_process"
    header_type = OpProcessHeader

    header: OpProcessHeader
    rates: Tensor
    columns: Tensor
    mean: Tensor
    scale: Tensor
    points: Tensor
    types: Tensor
    weights: Tensor
    factor: Tensor
    variance: Tensor

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        assert isinstance(header, OpProcessHeader)
        m, d, t = header.inducing, header.columns, header.types
        self.register_buffer("rates", torch.tensor(START)[:, None].expand(3, t).clone())
        self.register_buffer("columns", torch.zeros(d, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("scale", torch.zeros(d))
        self.register_buffer("points", torch.zeros(m, d))
        self.register_buffer("types", torch.zeros(m, dtype=torch.long))
        self.register_buffer("weights", torch.zeros(m))
        self.register_buffer("factor", torch.zeros(m, m))
        self.register_buffer("variance", torch.full((t,), 0.1))

    def bind_kernels(self, kernels: KernelTensors) -> BoundOpProcess:
        return BoundOpProcess(self, kernels)
