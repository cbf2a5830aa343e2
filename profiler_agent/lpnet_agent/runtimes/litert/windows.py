"""What a sliding window covers: ONNX pads by pixels, LiteRT by one of two rules.

By VALID a window stays inside the image. By SAME there are size / stride positions, rounded up,
and what they reach beyond the image is split evenly, the odd pixel at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import Node
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, Shape, laid


@dataclass(frozen=True)
class Side:
    """A window along one axis: pixels, and positions that it takes."""

    size: int
    positions: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def valid(self) -> bool:
        return self.before == 0 and self._beyond <= 0

    @property
    def same(self) -> bool:
        return (
            self.positions == -(-self.size // self.stride)
            and self.before == max(self._beyond + self.before, 0) // 2
        )

    @property
    def padding(self) -> tuple[int, int]:
        """Pixels before and after, with which VALID takes these positions."""
        room = self.size + self.before + self.after - self._reach
        if room // self.stride + 1 == self.positions:
            return self.before, self.after
        # Its last position is partly beyond the padding, or the last that fits does not count.
        return self.before, max(self._beyond, 0)

    @property
    def empty(self) -> bool:
        """Whether the last position starts behind the image."""
        return (self.positions - 1) * self.stride >= self.size + self.before

    def split(self, rule: str) -> Side:
        """The same, padded by a rule of ONNX: by what its positions take, split evenly, with an
        odd pixel at the end (SAME_UPPER) or before (SAME_LOWER)."""
        total = max(replace(self, before=0)._beyond, 0)
        before = total // 2 if rule == "SAME_UPPER" else -(-total // 2)
        return replace(self, before=before, after=total - before)

    def counted(self, include_padding: bool) -> Array:
        """Per position, how many pixels an average is over: those of the image, and of the
        padding if that is included; never those beyond it."""
        start = np.arange(self.positions) * self.stride - self.before
        stop = start + self.kernel
        if include_padding:
            return np.minimum(stop, self.size + self.after) - start
        return np.minimum(stop, self.size) - np.maximum(start, 0)

    @property
    def _reach(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    @property
    def _beyond(self) -> int:
        """Pixels behind the image that the last position reaches; negative if it stops short."""
        last = (self.positions - 1) * self.stride + self._reach
        return last - self.size - self.before


@dataclass(frozen=True)
class Window:
    """A window on an image."""

    h: Side
    w: Side

    @property
    def valid(self) -> bool:
        return self.h.valid and self.w.valid

    @property
    def same(self) -> bool:
        return self.h.same and self.w.same

    @property
    def padding(self) -> Array:
        """What the PAD op is told, for (batch, height, width, channels)."""
        return np.array([(0, 0), self.h.padding, self.w.padding, (0, 0)], dtype=np.int32)


def window(lowering: Lowering, node: Node, kernel: Shape) -> Window:
    """The window of a conv or pooling node."""
    sizes = lowering.image(node)[2:]
    positions = lowering.shape(node, node.outputs[0])[2:]
    strides = node.attributes.get("strides", (1, 1))
    dilations = node.attributes.get("dilations", (1, 1))
    pads = node.attributes.get("pads", (0, 0, 0, 0))
    rule = node.attributes.get("auto_pad", "NOTSET")
    sides = []
    for axis in (0, 1):
        side = Side(
            sizes[axis],
            positions[axis],
            int(kernel[axis]),
            int(strides[axis]),
            int(dilations[axis]),
            int(pads[axis]),
            int(pads[axis + 2]),
        )
        sides.append(side.split(rule) if rule.startswith("SAME") else side)
    return Window(*sides)


def padded(lowering: Lowering, node: Node, area: Window, fill: float = 0.0) -> tuple[int, int]:
    """What the windows of a node slide over, and by which rule: its input where one of the rules
    is what ONNX asks for, else that with `fill` around it."""
    source = lowering.source(node)
    if area.valid:
        return source, schema.Padding.VALID
    if area.same:
        return source, schema.Padding.SAME
    return surrounded(lowering, node, area, fill), schema.Padding.VALID


def surrounded(lowering: Lowering, node: Node, area: Window, fill: float = 0.0) -> int:
    """The input of a node with `fill` around it."""
    name = f"{node.outputs[0]}/padded"
    around = area.padding
    shape = tuple(int(n) for n in around.sum(axis=1) + laid(lowering.image(node)))
    inputs = [lowering.source(node), lowering.constant(f"{name}/by", around)]
    if fill == 0.0:
        return lowering.step(name, shape, Code.PAD, inputs, schema.PadOptionsT())
    inputs.append(lowering.scalar(f"{name}/with", fill))
    return lowering.step(name, shape, Code.PADV2, inputs, schema.PadV2OptionsT())
