"""The dimensions of the tensors of a raw graph, from its solution."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lpnet.space.axis import Axis
from lpnet.space.onnx_reader.batching import Batch, batch_axes
from lpnet.space.raw import RawGraph
from lpnet.space.slots import CountSlot, Tensor
from lpnet.space.solver.rules.movement import taken
from lpnet.space.solver.solution import Solution


class TensorAxes:
    """Dimensions for a single input of the batch."""

    def __init__(self, raw: RawGraph, solution: Solution) -> None:
        self.raw = raw
        self.solution = solution

    @cached_property
    def _batch(self) -> dict[str, Batch]:
        return batch_axes(self.raw)

    def batch(self, name: str) -> int | None:
        batch = self._batch.get(name)
        return None if batch is None else batch.axis

    def dims(self, name: str) -> tuple[Axis, ...]:
        value, batch, size = self.solution.value(name), self._batch.get(name), self.raw.batch
        if batch is not None and size > 1:
            # The positions of the first input of the batch.
            positions = np.arange(value.shape[batch.axis]).reshape(batch.lead, size, -1)
            value = taken(value, batch.axis, positions[:, 0].reshape(-1))
        return self.solution.dims_of(value)

    @property
    def lost(self) -> str | None:
        """A tensor whose batch axis cannot be told; None if there is none."""
        return next(
            (
                node.outputs[0]
                for node in self.raw.nodes
                if not self.is_static(node.outputs[0]) and self.batch(node.outputs[0]) is None
            ),
            None,
        )

    def tensor(self, name: str) -> Tensor:
        return Tensor(self.dims(name), self.batch(name), self.raw.types.get(name, "float"))

    def single(self, name: str, batch: int | None) -> tuple[Axis, ...]:
        """The dimensions of a weight that is repeated for each input along its axis `batch`."""
        dims = self.dims(name)
        return tuple(Axis.constant(1) if i == batch else axis for i, axis in enumerate(dims))

    def count_slot(self, name: str) -> CountSlot:
        return CountSlot(self.dims(name), self.batch(name))

    def prefix(self, name: str, axis: int, stop: int) -> Axis:
        """The first positions of an axis."""
        value = self.solution.value(name)
        factor = value.factor(axis)
        if factor is None or stop == 0:
            return Axis.constant(stop)
        return self.solution.dims_of(taken(value, axis, np.arange(stop)))[axis]

    def is_static(self, name: str) -> bool:
        return self.solution.is_static(name)
