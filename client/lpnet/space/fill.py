"""Random weights for measuring, scaled so that activations keep their variance at every layer.

The variance of a weight is 1 / (fan-in * second moment of the input), after He et al. (arXiv
1502.01852). So for inputs of unit variance each conv and linear has outputs of about unit
variance. The last conv of a residual branch is damped, so that sums do not grow with depth. Biases
are 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from math import log2, prod, sqrt

import numpy as np
import onnx
from numpy.typing import NDArray

from lpnet.space.graph import Graph, Node
from lpnet.space.onnx_parts import Weight
from lpnet.space.template import Template

# Values that are drawn once and reused. A prime number, so that rows of a long weight differ.
_POOL_SIZE = 262_147
_DAMPED_VARIANCE = 0.1
# Second moment of f(z) for z of unit variance.
_SECOND_MOMENTS = {
    "relu": 0.5,
    "relu6": 0.5,
    "clip": 0.5,
    "leaky_relu": 0.5,
    "silu": 0.36,
    "hardswish": 0.37,
    "gelu": 0.43,
    "sigmoid": 0.29,
    "hardsigmoid": 0.28,
    "tanh": 0.39,
    "elu": 0.65,
}


class Filler:
    """Draws the weights of one template."""

    def __init__(self, template: Template) -> None:
        self.gains = _gains(template.graph)

    def initialize(self, graph: onnx.GraphProto, weights: Sequence[Weight], seed: int) -> None:
        """Add all weights to a graph as float32; in place, since copying would be slow."""
        for index, weight in enumerate(weights):
            tensor = graph.initializer.add()
            tensor.name, tensor.data_type = weight.name, onnx.TensorProto.FLOAT
            tensor.dims.extend(weight.shape)
            tensor.raw_data = b"".join(self.chunks(weight, index, seed))

    def chunks(self, weight: Weight, index: int, seed: int) -> Iterator[bytes]:
        """The values of the weight with this index, as float32, in chunks of a megabyte."""
        shape = weight.shape
        count = prod(shape)
        if len(shape) == 1 or weight.value is not None:
            value = weight.value
            if value is None:
                value = 1.0 if weight.role in ("running_var", "weight") else 0.0
            yield np.full(count, value, dtype=np.float32).tobytes()
            return
        scale = np.float32(self.gains[weight.node] / sqrt(weight.fan_in or prod(shape[1:])))
        pool = _pool(seed)
        start = index * 7919 % _POOL_SIZE
        if start + count <= _POOL_SIZE:
            yield (pool[start : start + count] * scale).tobytes()
            return
        rotated = (np.concatenate((pool[start:], pool[:start])) * scale).tobytes()
        repeats, remainder = divmod(count, _POOL_SIZE)
        yield from repeat(rotated, repeats)
        yield rotated[: 4 * remainder]


@lru_cache(maxsize=4)
def _pool(seed: int) -> NDArray[np.float32]:
    """Values of zero mean and unit variance, none so near zero that it is subnormal in fp16."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 1.4, _POOL_SIZE) * rng.choice((-1.0, 1.0), _POOL_SIZE)
    scaled: NDArray[np.float32] = (values / values.std()).astype(np.float32)
    scaled.flags.writeable = False
    return scaled


def _gains(graph: Graph) -> tuple[float, ...]:
    """The standard deviation of each node's weights times the root of its fan-in."""
    damped = _last_convs_of_branches(graph)
    moments: list[_SecondMoment] = []
    gains: list[float] = []
    for index, node in enumerate(graph.nodes):
        incoming = [_SecondMoment(1.0) if i < 0 else moments[i] for i in node.inputs]
        incoming = incoming or [_SecondMoment(1.0)]
        target = _DAMPED_VARIANCE if index in damped else 1.0
        gains.append(sqrt(target / incoming[0].total))
        moments.append(_SecondMoment(target) if node.weighted else _output_moment(node, incoming))
    return tuple(gains)


@dataclass(frozen=True)
class _SecondMoment:
    """Second moment of a tensor as a sum of two parts: values of zero mean, and outputs of an
    activation, which a further activation does not change."""

    zero_mean: float
    activated: float = 0.0

    @property
    def total(self) -> float:
        return self.zero_mean + self.activated

    def times(self, factor: float) -> _SecondMoment:
        return _SecondMoment(self.zero_mean * factor, self.activated * factor)


def _output_moment(node: Node, incoming: list[_SecondMoment]) -> _SecondMoment:
    # A rough estimate for pools.
    first = incoming[0]
    if node.type == "add":
        return _SecondMoment(
            sum(m.zero_mean for m in incoming), sum(m.activated for m in incoming)
        )
    if node.type == "activation":
        return _SecondMoment(
            0.0, first.activated + first.zero_mean * _SECOND_MOMENTS.get(node.function, 0.5)
        )
    if node.type in ("norm", "matmul", "opaque"):
        return _SecondMoment(1.0)
    if node.type == "pool":
        area = node.kernel[0] * node.kernel[1]
        return first.times(1 + log2(area) if node.mode == "max" else 0.5)
    return first


def _last_convs_of_branches(graph: Graph) -> set[int]:
    # Only the longer of the two branches of an add counts.
    depth: list[int] = []
    last: set[int] = set()
    for node in graph.nodes:
        if node.type == "add":
            deepest = max(node.inputs, key=lambda i: -1 if i < 0 else depth[i])
            while deepest >= 0 and graph.nodes[deepest].type == "batch_norm":
                deepest = graph.nodes[deepest].inputs[0]
            if deepest >= 0 and graph.nodes[deepest].weighted:
                last.add(deepest)
        input_depth = max((0 if i < 0 else depth[i] for i in node.inputs), default=0)
        depth.append(input_depth + node.weighted)
    return last
