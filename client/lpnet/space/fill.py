"""Weights for measuring: random, and such that activations keep a normal size at every layer.

A weight's variance is 1 / (fan-in * second moment of what comes in), after He et al. (arXiv
1502.01852), so that for inputs of unit variance every conv and linear gives about unit variance;
the last conv of a residual branch is damped, so that sums do not grow with depth. Biases are 0.
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

from lpnet.space.graph import INPUT, Graph, Node
from lpnet.space.onnx_writer import Weight
from lpnet.space.template import Template

# A prime, so that the rows of a weight that is longer than the pool do not repeat each other.
_POOL = 262_147
_DAMPED = 0.1
# Second moment of f(z) for z of unit variance.
_KEPT = {
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
        """Add all weights to a graph, as float32; in place, since copies take most of the time."""
        for place, weight in enumerate(weights):
            made = graph.initializer.add()
            made.name, made.data_type = weight.name, onnx.TensorProto.FLOAT
            made.dims.extend(weight.shape)
            made.raw_data = b"".join(self.pieces(weight, place, seed))

    def pieces(self, weight: Weight, place: int, seed: int) -> Iterator[bytes]:
        """The values of the weight at a place of the network, float32, a megabyte at a time."""
        shape = weight.shape
        count = prod(shape)
        if len(shape) == 1:
            one = weight.role == "running_var" or weight.role == "weight"
            yield np.full(count, one, dtype=np.float32).tobytes()
            return
        scale = np.float32(self.gains[weight.node] / sqrt(prod(shape[1:])))
        pool = _pool(seed)
        start = place * 7919 % _POOL
        if start + count <= _POOL:
            yield (pool[start : start + count] * scale).tobytes()
            return
        turn = (np.concatenate((pool[start:], pool[:start])) * scale).tobytes()
        turns, rest = divmod(count, _POOL)
        yield from repeat(turn, turns)
        yield turn[: 4 * rest]


@lru_cache(maxsize=4)
def _pool(seed: int) -> NDArray[np.float32]:
    """Values of zero mean and unit variance, none near zero: no weight is subnormal in fp16."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 1.4, _POOL) * rng.choice((-1.0, 1.0), _POOL)
    scaled: NDArray[np.float32] = (values / values.std()).astype(np.float32)
    scaled.flags.writeable = False
    return scaled


def _gains(graph: Graph) -> tuple[float, ...]:
    """Per node, the standard deviation of its weights times the root of the fan-in."""
    damped = _last_of_branches(graph)
    moments: list[_Moment] = []
    gains: list[float] = []
    for index, node in enumerate(graph.nodes):
        incoming = [_Moment(1.0) if i == INPUT else moments[i] for i in node.inputs]
        target = _DAMPED if index in damped else 1.0
        gains.append(sqrt(target / incoming[0].total))
        moments.append(_Moment(target) if node.weighted else _after(node, incoming))
    return tuple(gains)


@dataclass(frozen=True)
class _Moment:
    """Second moment of a tensor, in two parts: what has zero mean, and what an activation has
    cut already, which a further one leaves as it is."""

    even: float
    cut: float = 0.0

    @property
    def total(self) -> float:
        return self.even + self.cut

    def times(self, factor: float) -> _Moment:
        return _Moment(self.even * factor, self.cut * factor)


def _after(node: Node, incoming: list[_Moment]) -> _Moment:
    """What leaves an op without weights; rough where it depends on the image."""
    first = incoming[0]
    if node.type == "add":
        return _Moment(sum(m.even for m in incoming), sum(m.cut for m in incoming))
    if node.type == "activation":
        return _Moment(0.0, first.cut + first.even * _KEPT.get(node.function, 0.5))
    if node.type == "pool":
        area = node.kernel[0] * node.kernel[1]
        return first.times(1 + log2(area) if node.mode == "max" else 0.5)
    return first


def _last_of_branches(graph: Graph) -> set[int]:
    """Of what an add adds, the conv that ends the longer branch."""
    depth: list[int] = []
    last: set[int] = set()
    for node in graph.nodes:
        if node.type == "add":
            deepest = max(node.inputs, key=lambda i: -1 if i == INPUT else depth[i])
            while deepest != INPUT and graph.nodes[deepest].type == "batch_norm":
                deepest = graph.nodes[deepest].inputs[0]
            if deepest != INPUT and graph.nodes[deepest].weighted:
                last.add(deepest)
        before = max(0 if i == INPUT else depth[i] for i in node.inputs)
        depth.append(before + node.weighted)
    return last
