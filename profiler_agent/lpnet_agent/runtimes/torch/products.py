"""Products of matrices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from lpnet_agent.runtimes.torch.op import Op


def linear(op: Op, bias: Tensor | None = None) -> fx.Node:
    """The product with a weight (inputs, outputs), and its bias."""
    weight = op.weight(1)
    inputs, outputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.t().contiguous(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return op.layer(layer)


def _matmul(op: Op) -> fx.Node:
    if op.is_constant(1) and len(op.input_shape(1)) == 2 and op.type(1) == "float32":
        return linear(op)
    return op.call(torch.matmul, op.tensor(0), op.tensor(1))


def _einsum(op: Op) -> fx.Node:
    return op.call(torch.einsum, op.required("equation"), *op.tensors())


FUNCTIONS: dict[str, Callable[[Op], fx.Node]] = {"Einsum": _einsum, "MatMul": _matmul}
