"""The rows of latency tables as lists of ops."""

from __future__ import annotations

from dataclasses import dataclass

from lpnet.schemas import ops as wire

SQUEEZE_SHARE, SQUEEZE_MULTIPLE = 4, 8


@dataclass(frozen=True)
class MBConv:
    """An inverted residual block at `side` x `side` pixels.

    `squeeze` is the width of squeeze-excite, 0 without one. A block whose middle is as wide as its
    input has no expand conv, as MobileNetV2, OFA and TF-NAS build it.
    """

    side: int
    c_in: int
    middle: int
    c_out: int
    kernel: int
    stride: int
    squeeze: int
    residual: bool
    function: str


def squeeze_width(middle: int) -> int:
    """A quarter of the middle, in multiples of 8: what OFA builds where a table records only
    that there is squeeze-excite."""
    share = middle / SQUEEZE_SHARE
    width = max(SQUEEZE_MULTIPLE, int(share + SQUEEZE_MULTIPLE / 2) // SQUEEZE_MULTIPLE * 8)
    return width if width >= 0.9 * share else width + SQUEEZE_MULTIPLE


def mbconv(block: MBConv) -> list[wire.Op]:
    ops: list[wire.Op] = []
    if block.middle != block.c_in:
        ops += _pointwise(block.c_in, block.middle, block.side, block.function)
    depthwise = wire.Conv2d(
        c_in=block.middle,
        c_out=block.middle,
        groups=block.middle,
        h=block.side,
        w=block.side,
        kernel=(block.kernel, block.kernel),
        stride=(block.stride, block.stride),
        padding=(block.kernel // 2, block.kernel // 2),
    )
    side, _ = wire.output_size(depthwise)
    ops += [depthwise, _activation(block.middle, side, block.function)]
    if block.squeeze:
        ops += _squeeze_excite(block, side, len(ops) - 1)
    ops += _pointwise(block.middle, block.c_out, side)
    if block.residual:
        inputs = (len(ops) - 1, -1)
        ops.append(wire.Add(c_in=block.c_out, c_out=block.c_out, h=side, w=side, inputs=inputs))
    return ops


def conv(c_in: int, c_out: int, side: int, kernel: int) -> list[wire.Op]:
    """A conv with stride 1 whose padding is not recorded."""
    window = (kernel, kernel)
    return [wire.Conv2d(c_in=c_in, c_out=c_out, h=side, w=side, kernel=window)]


def _squeeze_excite(block: MBConv, side: int, source: int) -> list[wire.Op]:
    """Ops after op `source`, whose output they scale; their functions are not recorded."""
    middle = block.middle
    pool = wire.Pool(
        c_in=middle,
        c_out=middle,
        h=side,
        w=side,
        mode="global",
        kernel=(side, side),
        padding=(0, 0),
    )
    gate = [
        *_pointwise(middle, block.squeeze, 1, "unknown"),
        *_pointwise(block.squeeze, middle, 1, "unknown"),
    ]
    inputs = (source, source + 1 + len(gate))
    return [pool, *gate, wire.Mul(c_in=middle, c_out=middle, h=side, w=side, inputs=inputs)]


def _pointwise(c_in: int, c_out: int, side: int, function: str | None = None) -> list[wire.Op]:
    ops: list[wire.Op] = [
        wire.Conv2d(c_in=c_in, c_out=c_out, h=side, w=side, kernel=(1, 1), padding=(0, 0))
    ]
    return ops if function is None else [*ops, _activation(c_out, side, function)]


def _activation(channels: int, side: int, function: str) -> wire.Op:
    return wire.Activation(c_in=channels, c_out=channels, h=side, w=side, function=function)
