"""Memory that a network takes, by its op table.

The weights, and the activations that are alive at once: what an op reads and what it writes are
there together, and a tensor stays until its last reader has run, the output for ever. Silu is a
sigmoid and a product, with a tensor of its own in between.

What this leaves out: workspace of kernels and copies of weights that they like better, alignment
and fragments of an allocator, the runtime itself, and scalars. A runtime that fuses ops, or lets
one write over its input, holds less. So it tells networks apart on one device, by less and more;
it is not what a device's own figures would show.
"""

from __future__ import annotations

import numpy as np

from lpnet.space.table import Matrix, OpTable, Vector

MIB = 2**20
_WEIGHTED = frozenset({"conv2d", "conv_transpose2d", "linear"})
# Scale, shift, mean and variance.
_OF_NORM = 4


class MemoryNeed:
    """Bytes that the networks of an op table take; exact at legal widths."""

    def __init__(self, table: OpTable) -> None:
        self._table = table
        rows, steps = table.rows, len(table.rows)
        # Tensors are the table's input, then each row's output.
        last = np.full(steps + 1, -1)
        for index, row in enumerate(rows):
            for source in row.inputs:
                last[source + 1] = index
        last[1:][last[1:] < 0] = steps  # nobody reads an output: whoever runs it does
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
        self._norm = np.array([_OF_NORM * (row.type == "batch_norm") for row in rows])

    def weights(self, widths: Matrix) -> Vector:
        """Numbers that are weights: (..., widths) to (...,)."""
        c_out = self._table.c_out(widths)
        dense = self._table.c_in(widths) / self._table.groups(widths) * self._area + 1
        return np.asarray((c_out * (self._weighted * dense + self._norm)).sum(-1))

    def activations(self, widths: Matrix) -> Vector:
        """Most numbers that are alive at once, for one input: (..., widths) to (...,)."""
        entry = self._table.c_in(widths)[..., self._entry : self._entry + 1]
        tensors = np.concatenate((entry, self._table.c_out(widths)), -1) * self._pixels
        return np.asarray((tensors @ self._alive.T).max(-1))

    def bytes(self, widths: Matrix, batch: int = 1, element_bytes: int = 4) -> Vector:
        """Bytes of weights and activations at a batch size: (..., widths) to (...,).

        `element_bytes` is what a number takes: 4 in fp32, 2 in fp16, 1 in 8 bits.
        """
        return (self.weights(widths) + batch * self.activations(widths)) * element_bytes
