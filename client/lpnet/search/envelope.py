"""The envelope: what widths cost once they are rounded up to fast ones, linear in between."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lpnet.search.kernel_tables import Axis, KernelTable


class Envelope(nn.Module):
    """Milliseconds of widths (..., L) to (...,): the sum of one small table per kernel.

    By construction it is continuous and never falls in any width: each table never falls along
    its axes, and values in between are interpolated linearly along each. Below the smallest fast
    width it is flat, since such widths are rounded up. Its gradient is piecewise smooth: ms per
    channel between neighbouring fast widths.
    """

    slopes: Tensor
    constants: Tensor
    grid: Tensor
    gap: Tensor
    last: Tensor
    start: Tensor
    table: Tensor
    base: Tensor
    rows: Tensor
    columns: Tensor
    row_stride: Tensor
    column_stride: Tensor

    def __init__(self, axes: Sequence[Axis], tables: Sequence[KernelTable], n_widths: int) -> None:
        super().__init__()
        for name, value in (_axis_buffers(axes, n_widths) | _table_buffers(tables)).items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, widths: Tensor) -> Tensor:
        """Latency in ms (...,) of widths (..., L), in their dtype."""
        channels = widths.to(self.table.dtype) @ self.slopes + self.constants
        position = (channels.unsqueeze(-1) >= self.grid).sum(-1) - 1
        position = position.clamp(min=0).minimum(self.last)
        knot = position + self.start
        part = (channels - self.grid.flatten()[knot]) / self.gap.flatten()[knot]
        # The last axis stands for what never varies: it has a single point.
        part = nn.functional.pad(part.clamp(0.0, 1.0), (0, 1))
        position = nn.functional.pad(position, (0, 1))
        down, right = part[..., self.rows], part[..., self.columns]
        corner = (
            self.base
            + position[..., self.rows] * self.row_stride
            + position[..., self.columns] * self.column_stride
        )
        upper = torch.lerp(self.table[corner], self.table[corner + self.column_stride], right)
        corner = corner + self.row_stride
        lower = torch.lerp(self.table[corner], self.table[corner + self.column_stride], right)
        return torch.lerp(upper, lower, down).sum(-1).to(widths.dtype)


def _axis_buffers(axes: Sequence[Axis], n_widths: int) -> dict[str, Tensor]:
    points = max((len(axis.grid) for axis in axes), default=1)
    grid = torch.full((len(axes), points), torch.inf, dtype=torch.float64)
    gap = torch.ones((len(axes), points), dtype=torch.float64)
    for row, axis in enumerate(axes):
        grid[row, : len(axis.grid)] = axis.grid
        gap[row, : len(axis.grid) - 1] = axis.grid.diff()
    slopes = torch.zeros(n_widths, len(axes), dtype=torch.float64)
    for column, axis in enumerate(axes):
        slopes[:, column] = axis.slope
    return {
        "slopes": slopes,
        "constants": torch.tensor([axis.constant for axis in axes], dtype=torch.float64),
        "grid": grid,
        "gap": gap,
        "last": torch.tensor([len(axis.grid) - 2 for axis in axes], dtype=torch.long),
        "start": torch.arange(len(axes)) * points,
    }


def _table_buffers(tables: Sequence[KernelTable]) -> dict[str, Tensor]:
    sizes = torch.tensor([table.prices.numel() for table in tables])
    # -1 is the last axis, which never varies.
    return {
        "table": torch.cat([table.prices.flatten() for table in tables]),
        "base": sizes.cumsum(0) - sizes,
        "rows": torch.tensor([table.rows for table in tables]),
        "columns": torch.tensor([table.columns for table in tables]),
        "row_stride": torch.tensor(
            [table.prices.shape[1] if table.rows >= 0 else 0 for table in tables]
        ),
        "column_stride": torch.tensor([int(table.columns >= 0) for table in tables]),
    }
