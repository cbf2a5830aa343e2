"""An op table with every type of op that networks of tokens add, and three widths."""

from __future__ import annotations

import numpy as np

from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable

TOKENS, CHANNELS, HEAD = 49, 48, 16
DENSE = (4 * HEAD, 96, 24)


def ops_at(heads: int, hidden: int, squeezed: int) -> list[wire.Op]:
    """Attention and a feed-forward layer over tokens, an opaque op, then a squeeze-excite.

    `heads` is the width of the heads in channels, a multiple of HEAD.
    """
    count = heads // HEAD
    side, whole = {"h": TOKENS}, {"h": TOKENS, "w": 1}
    image = {"h": 7, "w": 7}
    return [
        wire.Norm(c_in=CHANNELS, c_out=CHANNELS, function="layer", **whole),
        wire.Linear(c_in=CHANNELS, c_out=heads, inputs=(0,), **side),
        wire.Linear(c_in=CHANNELS, c_out=heads, inputs=(0,), **side),
        wire.Linear(c_in=CHANNELS, c_out=heads, inputs=(0,), **side),
        wire.Move(
            c_in=heads, c_out=count * TOKENS, h_out=HEAD, w_out=1, function="transpose",
            inputs=(2,), **whole,
        ),
        wire.MatMul(c_in=heads, c_out=count * TOKENS, groups=count, inputs=(1, 4), **side),
        wire.Softmax(c_in=count * TOKENS, c_out=count * TOKENS, **whole),
        wire.MatMul(c_in=count * TOKENS, c_out=heads, groups=count, inputs=(6, 3), **side),
        wire.Linear(c_in=heads, c_out=CHANNELS, **side),
        wire.Add(c_in=CHANNELS, c_out=CHANNELS, inputs=(8, -1), **whole),
        wire.Norm(c_in=CHANNELS, c_out=CHANNELS, function="rms", **whole),
        wire.Linear(c_in=CHANNELS, c_out=hidden, **side),
        wire.Activation(c_in=hidden, c_out=hidden, function="gelu", **whole),
        wire.Linear(c_in=hidden, c_out=CHANNELS, **side),
        wire.Opaque(
            c_in=CHANNELS, c_out=32, h_out=TOKENS, w_out=1, function="LSTM", **whole,
        ),
        wire.Move(c_in=32, c_out=32, h_out=7, w_out=7, function="reshape", **whole),
        wire.Conv2d(c_in=32, c_out=squeezed, kernel=(1, 1), **image),
        wire.Reduce(c_in=squeezed, c_out=squeezed, h_out=1, w_out=1, function="mean", **image),
        wire.Activation(c_in=squeezed, c_out=squeezed, function="sigmoid", h=1, w=1),
        wire.Mul(c_in=squeezed, c_out=squeezed, inputs=(16, 18), **image),
        wire.Reduce(c_in=squeezed, c_out=1, h_out=7, w_out=7, function="max", **image),
        wire.Add(c_in=1, c_out=1, inputs=(20, -2), **image),
    ]  # fmt: skip


def table() -> OpTable:
    """The ops as a table whose channels follow three widths, up to DENSE.

    They are affine, so differences between two legal values are their slopes.
    """
    fewest, steps = np.array([HEAD, 1, 1]), np.diag([HEAD, 1, 1])
    start = OpTable.from_ops(ops_at(*fewest.tolist()))
    further = [OpTable.from_ops(ops_at(*(fewest + step).tolist())) for step in steps]
    maps = []
    for name in ("b_in", "b_out", "b_g"):
        constant = getattr(start, name)
        rises = [getattr(other, name) - constant for other in further]
        slopes = np.stack(rises, 1) / steps.diagonal()
        maps += [slopes, constant - slopes @ fewest]
    return OpTable(start.rows, *maps)
