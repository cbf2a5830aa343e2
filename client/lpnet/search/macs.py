"""Multiply-accumulates of a space, differentiable in its widths: the measure of capacity."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.space.table import MULTIPLYING, OpTable


class Macs(nn.Module):
    """MACs as OpTable.macs counts them: widths (..., L) to (...,)."""

    slopes: Tensor
    constants: Tensor
    work: Tensor

    def __init__(self, table: OpTable) -> None:
        super().__init__()
        kept = [i for i, row in enumerate(table.rows) if row.type in MULTIPLYING]
        # One product for all three channel counts.
        maps = np.concatenate([part[kept] for part in (table.a_in, table.a_out, table.a_g)])
        constants = np.concatenate([part[kept] for part in (table.b_in, table.b_out, table.b_g)])
        work = []
        for row in (table.rows[i] for i in kept):
            transposed = row.type == "conv_transpose2d"
            pixels = row.h * row.w if transposed else row.h_out * row.w_out
            work.append(float(pixels * row.kernel[0] * row.kernel[1]))
        self.register_buffer("slopes", torch.from_numpy(maps.T.copy()), persistent=False)
        self.register_buffer("constants", torch.from_numpy(constants), persistent=False)
        self.register_buffer("work", torch.tensor(work, dtype=torch.float64), persistent=False)

    def forward(self, widths: Tensor) -> Tensor:
        channels = widths.to(self.slopes.dtype) @ self.slopes + self.constants
        parts = channels.reshape(*channels.shape[:-1], 3, len(self.work))
        c_in, c_out, groups = parts.unbind(-2)
        return (c_in / groups * c_out * self.work).sum(-1).to(widths.dtype)
