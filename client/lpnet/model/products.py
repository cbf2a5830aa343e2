"""Products of two activations: their channels per head, and the numbers that they read.

A product has c_in = heads * summed and c_out = heads * columns. What counts for its speed is
`summed`, the length of the axis that it sums over, so its kernel has that as its input channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lpnet.space.table import OpTable, Vector


@dataclass(frozen=True)
class Product:
    """`summed` follows the widths by `slope` (widths,) and `constant`.

    The first input holds `per_summed * summed + per_c_out * c_out` numbers.
    """

    slope: Vector
    constant: float
    per_summed: float
    per_c_out: float


def product(table: OpTable, index: int) -> Product | None:
    """None if `summed` is not affine in the widths, or the first input is not as above."""
    row = table.rows[index]
    heads = float(table.b_g[index])
    if not table.a_g[index].any():
        slope, constant = table.a_in[index] / heads, float(table.b_in[index] / heads)
        return Product(slope, constant, row.h * row.w * heads, 0.0)
    summed = _ratio(table.a_in[index], table.b_in[index], table.a_g[index], heads)
    columns = _ratio(table.a_out[index], table.b_out[index], table.a_g[index], heads)
    if summed is None or columns is None:
        return None
    no_slope = np.zeros(table.n_widths)
    return Product(no_slope, summed, 0.0, row.h * row.w * summed / columns)


def _ratio(slope: Vector, constant: float, along: Vector, start: float) -> float | None:
    """The factor between two affine maps. None if one is not a multiple of the other."""
    steepest = int(np.abs(along).argmax())
    ratio = float(slope[steepest] / along[steepest])
    multiple = np.allclose(slope, ratio * along) and np.isclose(constant, ratio * start)
    if not multiple or ratio <= 0:
        return None
    # Where the slopes are not exact, the ratio of two counts of channels still is.
    return float(round(ratio)) if np.isclose(ratio, round(ratio)) else ratio
