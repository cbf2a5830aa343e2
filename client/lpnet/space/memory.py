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
# The mean and variance of a BatchNorm.
_STATISTICS = 2


class MemoryNeed:
    """The bytes that the networks of an op table need; exact at legal widths."""

    def __init__(self, table: OpTable) -> None:
        self._table = table
        rows, steps = table.rows, len(table.rows)
        # Tensors are the table's inputs, the last one first, then each row's output.
        entries = max(1, -min((i for row in rows for i in row.inputs), default=-1))
        last = np.full(entries + steps, -1)
        for index, row in enumerate(rows):
            for source in row.inputs:
                last[source + entries] = index
        last[entries:][last[entries:] < 0] = steps  # outputs of the network stay alive
        step = np.arange(steps)[:, None]
        first = np.maximum(np.arange(-entries, steps), -1)
        self._alive = ((first <= step) & (step <= last)).astype(np.float64)
        for index, row in enumerate(rows):
            if row.type == "activation" and row.function == "silu":
                self._alive[index, index + entries] += 1
        self._entries = [_first_reader(table, -number) for number in range(entries, 0, -1)]
        read = [0 if i is None else rows[i].h * rows[i].w for i in self._entries]
        out = [row.h_out * row.w_out for row in rows]
        self._pixels = np.array([*read, *out], dtype=np.float64)
        self._statistics = np.array([_STATISTICS * (row.type == "batch_norm") for row in rows])

    def weights(self, widths: Matrix) -> Vector:
        """Number of weights: (..., widths) to (...,)."""
        statistics = (self._table.c_out(widths) * self._statistics).sum(-1)
        return np.asarray(self._table.layer_params(widths).sum(-1) + statistics)

    def activations(self, widths: Matrix) -> Vector:
        """Maximum number of live activations, for a single input: (..., widths) to (...,)."""
        read = self._table.c_in(widths)[..., [i or 0 for i in self._entries]]
        tensors = np.concatenate((read, self._table.c_out(widths)), -1) * self._pixels
        return np.asarray((tensors @ self._alive.T).max(-1))

    def bytes(self, widths: Matrix, batch: int = 1, element_bytes: int = 4) -> Vector:
        """Bytes of weights and activations at a batch size: (..., widths) to (...,).

        `element_bytes` is the size of a number: 4 in fp32, 2 in fp16, 1 in 8 bits.
        """
        return (self.weights(widths) + batch * self.activations(widths)) * element_bytes


def _first_reader(table: OpTable, source: int) -> int | None:
    """The row whose input size is that of an input of the table: it reads it, if possible first.

    The size of a second input is not in the table; it counts as large as the first one.
    """
    readers = [i for i, row in enumerate(table.rows) if source in row.inputs]
    return min(readers, key=lambda i: table.rows[i].inputs[0] != source, default=None)
