"""Memory that a network needs, computed from its op table.

It consists of the weights and of the activations that are alive at the same time. The inputs and
outputs of an op are alive together, a tensor stays alive until its last reader has run, and the
output stays alive. Silu is a sigmoid and a product with a tensor between them.

Not included are workspaces of kernels, repacked copies of weights, alignment and fragmentation of
the allocator, the runtime, and scalars. A runtime that fuses ops or works in place needs less. So
the number ranks networks on a device; it does not equal the memory that the device reports.
"""

from __future__ import annotations

import numpy as np

from lpnet.space.table import Matrix, OpTable, Vector

MIB = 2**20
_WEIGHTED = frozenset({"conv2d", "conv_transpose2d", "linear"})
# Scale, shift, mean and variance.
_NUMBERS_PER_NORM = 4


class MemoryNeed:
    """The bytes that the networks of an op table need; exact at legal widths."""

    def __init__(self, table: OpTable) -> None:
        self._table = table
        rows, steps = table.rows, len(table.rows)
        # Tensors are the table's input, then each row's output.
        last = np.full(steps + 1, -1)
        for index, row in enumerate(rows):
            for source in row.inputs:
                last[source + 1] = index
        last[1:][last[1:] < 0] = steps  # outputs of the network stay alive
        step = np.arange(steps)[:, None]
        self._alive = ((np.arange(-1, steps) <= step) & (step <= last)).astype(np.float64)
        for index, row in enumerate(rows):
            if row.type == "activation" and row.function == "silu":
                self._alive[index, index + 1] += 1
        entries = [row.h * row.w for row in rows if -1 in row.inputs]
        self._entry = next((i for i, row in enumerate(rows) if -1 in row.inputs), 0)
        out = [row.h_out * row.w_out for row in rows]
        self._pixels = np.array([entries[0] if entries else 0, *out], dtype=np.float64)
        self._area = np.array([row.kernel[0] * row.kernel[1] for row in rows], dtype=np.float64)
        self._weighted = np.array([row.type in _WEIGHTED for row in rows], dtype=np.float64)
        self._norm = np.array([_NUMBERS_PER_NORM * (row.type == "batch_norm") for row in rows])

    def weights(self, widths: Matrix) -> Vector:
        """Number of weights: (..., widths) to (...,)."""
        c_out = self._table.c_out(widths)
        dense = self._table.c_in(widths) / self._table.groups(widths) * self._area + 1
        return np.asarray((c_out * (self._weighted * dense + self._norm)).sum(-1))

    def activations(self, widths: Matrix) -> Vector:
        """Maximum number of live activations, for a single input: (..., widths) to (...,)."""
        entry = self._table.c_in(widths)[..., self._entry : self._entry + 1]
        tensors = np.concatenate((entry, self._table.c_out(widths)), -1) * self._pixels
        return np.asarray((tensors @ self._alive.T).max(-1))

    def bytes(self, widths: Matrix, batch: int = 1, element_bytes: int = 4) -> Vector:
        """Bytes of weights and activations at a batch size: (..., widths) to (...,).

        `element_bytes` is the size of a number: 4 in fp32, 2 in fp16, 1 in 8 bits.
        """
        return (self.weights(widths) + batch * self.activations(widths)) * element_bytes
