"""Padding of sliding windows: ONNX pads by pixels, LiteRT by one of two rules.

With VALID every window stays inside the image. With SAME there are size / stride positions,
rounded up, and the pixels that they need beyond the image are split evenly, an odd one at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import OnnxNode
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, Shape, to_nhwc, unsupported
from lpnet_agent.runtimes.windows import read_window


@dataclass(frozen=True)
class AxisWindow:
    """A window along one axis: pixels, and the number of its positions."""

    size: int
    positions: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def valid(self) -> bool:
        """Whether VALID gives the same positions."""
        return self.before == 0 and self._overhang <= 0

    @property
    def same(self) -> bool:
        """Whether SAME gives the same positions."""
        return (
            self.positions == -(-self.size // self.stride)
            and self.before == max(self._overhang + self.before, 0) // 2
        )

    @property
    def padding(self) -> tuple[int, int]:
        """Pixels before and after with which VALID gives the same positions."""
        free = self.size + self.before + self.after - self._extent
        if free // self.stride + 1 == self.positions:
            return self.before, self.after
        # The last position is partly beyond the padding, or the last that fits does not count.
        return self.before, max(self._overhang, 0)

    @property
    def last_is_empty(self) -> bool:
        """Whether the last position starts behind the image."""
        return (self.positions - 1) * self.stride >= self.size + self.before

    def averaged_pixels(self, include_padding: bool) -> Array:
        """Per position, the number of pixels in its average: those of the image, and those of the
        padding if it is included, but never those beyond it."""
        start = np.arange(self.positions) * self.stride - self.before
        stop = start + self.kernel
        if include_padding:
            return np.minimum(stop, self.size + self.after) - start
        return np.minimum(stop, self.size) - np.maximum(start, 0)

    @property
    def _extent(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    @property
    def _overhang(self) -> int:
        """Pixels that the last position covers behind the image; negative if it ends before."""
        last = (self.positions - 1) * self.stride + self._extent
        return last - self.size - self.before


@dataclass(frozen=True)
class ImageWindow:
    """A window on an image."""

    h: AxisWindow
    w: AxisWindow

    @property
    def valid(self) -> bool:
        return self.h.valid and self.w.valid

    @property
    def same(self) -> bool:
        return self.h.same and self.w.same

    @property
    def padding(self) -> Array:
        return np.array([(0, 0), self.h.padding, self.w.padding, (0, 0)], dtype=np.int32)


def image_window(lowering: Lowering, node: OnnxNode, kernel: Shape = ()) -> ImageWindow:
    """The window of a conv or pooling node; `kernel` is used if it has no `kernel_shape`."""
    sizes = lowering.image_shape(node)[2:]
    positions = lowering.shape(node, node.outputs[0])[2:]
    try:
        window = read_window(node.attributes.get, sizes, kernel)
    except ValueError as error:
        raise unsupported(node, str(error)) from error
    h, w = (
        AxisWindow(*axis)
        for axis in zip(
            sizes,
            positions,
            window.kernel,
            window.stride,
            window.dilation,
            window.before,
            window.after,
            strict=True,
        )
    )
    return ImageWindow(h, w)


def padded_input(
    lowering: Lowering, node: OnnxNode, window: ImageWindow, fill: float = 0.0
) -> tuple[int, int]:
    """The tensor that a window slides over, and the padding rule. The tensor is the node's input
    if a rule gives the positions of ONNX, otherwise the input with `fill` around it."""
    source = lowering.input_tensor(node)
    if window.valid:
        return source, schema.Padding.VALID
    if window.same:
        return source, schema.Padding.SAME
    return explicitly_padded(lowering, node, window, fill), schema.Padding.VALID


def explicitly_padded(
    lowering: Lowering, node: OnnxNode, window: ImageWindow, fill: float = 0.0
) -> int:
    name = f"{node.outputs[0]}/padded"
    padding = window.padding
    shape = tuple(int(n) for n in padding.sum(axis=1) + to_nhwc(lowering.image_shape(node)))
    inputs = [lowering.input_tensor(node), lowering.constant(f"{name}/by", padding)]
    if fill == 0.0:
        return lowering.add_op(name, shape, Code.PAD, inputs, schema.PadOptionsT())
    inputs.append(lowering.scalar(f"{name}/with", fill))
    return lowering.add_op(name, shape, Code.PADV2, inputs, schema.PadV2OptionsT())
