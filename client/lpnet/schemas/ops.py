"""The ops of a network at concrete channel counts.

`h` and `w` of an op are the size of its input in pixels, 1 x 1 for a tensor without pixels. Tokens
are pixels of a single column: a tensor (batch, tokens, channels) has h = tokens and w = 1. The
input of an op is the op before it, unless `inputs` lists earlier ops by index; -1 is the first
input of the workload, -2 its second one.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lpnet.schemas.base import Channels, Side, Wire

_Amount = Annotated[int, Field(ge=0, le=10_000)]
Pair = tuple[_Amount, _Amount]
PositivePair = tuple[Side, Side]
MAX_INPUTS = 64
Scale = Annotated[float, Field(ge=1e-6, le=1e6)]


def window_span(kernel: int, dilation: int) -> int:
    """Pixels along an axis from the first to the last that a window covers."""
    return dilation * (kernel - 1) + 1


def positions(side: int, window: int, stride: int, padding: int, *, ceil: bool = False) -> int:
    """Positions along an axis of a window that spans `window` pixels; below 1 if it does not fit.

    `ceil` also counts a last position that is partly outside.
    """
    free = side + 2 * padding - window
    count = free // stride + 1
    # The last position must start inside the image or in the padding before it.
    if ceil and free % stride and count * stride < side + padding:
        count += 1
    return count


def _require_divisible(groups: int, c_in: int, c_out: int) -> None:
    for name, channels in (("c_in", c_in), ("c_out", c_out)):
        if channels % groups:
            raise ValueError(f"groups must divide {name}, got {groups} and {channels}")


class _Op(Wire):
    c_in: Channels = Field(description="channels of the (first) input")
    c_out: Channels = Field(description="channels of the output")
    h: Side = Field(description="height of the input in pixels")
    w: Side = Field(description="width of the input in pixels")
    inputs: tuple[Annotated[int, Field(ge=-MAX_INPUTS, le=10_000)], ...] | None = Field(
        default=None,
        description="indices of the ops that compute the inputs; -1 for the workload's first "
        "input, -2 for its second one, and so on; absent: the op before",
    )


class _SameChannels(_Op):
    """An op that keeps the number of channels."""

    @model_validator(mode="after")
    def _same_channels(self) -> Self:
        if self.c_out != self.c_in:
            raise ValueError(f"c_out must equal c_in, got {self.c_out} and {self.c_in}")
        return self


class _Resized(_Op):
    """An op whose output size does not follow from its other fields."""

    h_out: Side = Field(description="height of the output in pixels")
    w_out: Side = Field(description="width of the output in pixels")


class _Window(_Op):
    kernel: PositivePair = Field(description="kernel height and width")
    stride: PositivePair = Field(default=(1, 1), description="stride, vertical and horizontal")
    padding: Pair | None = Field(
        default=None,
        description="padding added on each side, vertical and horizontal; null: unknown",
    )
    dilation: PositivePair = Field(default=(1, 1), description="dilation of the kernel")

    def size_out(self) -> tuple[int, int] | None:
        """Height and width of the output in pixels; None if the padding is unknown."""
        if self.padding is None:
            return None
        return self._side_out(0, self.h, self.padding[0]), self._side_out(
            1, self.w, self.padding[1]
        )

    def _side_out(self, axis: int, side: int, padding: int) -> int:
        return positions(side, self._span(axis), self.stride[axis], padding)

    def _span(self, axis: int) -> int:
        return window_span(self.kernel[axis], self.dilation[axis])

    @model_validator(mode="after")
    def _has_an_output(self) -> Self:
        size = self.size_out()
        if size is not None and min(size) < 1:
            raise ValueError(
                f"kernel: {self.kernel} with dilation {self.dilation} and padding {self.padding} "
                f"does not fit {self.h} x {self.w} pixels"
            )
        return self


class _Grouped(_Window):
    """A convolution of either kind."""

    groups: Channels = Field(default=1, description="groups; equal to c_in for a depthwise conv")

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        _require_divisible(self.groups, self.c_in, self.c_out)
        return self


class Conv2d(_Grouped):
    """A convolution; its BatchNorm, if it has one, is folded into it."""

    type: Literal["conv2d"] = Field(default="conv2d", description="kind of op")


class ConvTranspose2d(_Grouped):
    """A transposed convolution; its BatchNorm, if it has one, is folded into it."""

    type: Literal["conv_transpose2d"] = Field(default="conv_transpose2d", description="kind of op")

    def _side_out(self, axis: int, side: int, padding: int) -> int:
        return (side - 1) * self.stride[axis] + self._span(axis) - 2 * padding


class Linear(_Op):
    """A fully connected layer, applied to every pixel or token."""

    type: Literal["linear"] = Field(default="linear", description="kind of op")
    h: Side = Field(default=1, description="height of the input in pixels")
    w: Side = Field(default=1, description="width of the input in pixels")
    # Left out where it is 1: the keys of workloads from before this field stay the same.
    groups: Channels = Field(
        default=1,
        exclude_if=lambda groups: groups == 1,
        description="groups of channels to which the same weight is applied",
    )

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        _require_divisible(self.groups, self.c_in, self.c_out)
        return self


class MatMul(_Op):
    """A product of two activations: per head, (rows, summed) times (summed, columns).

    c_in = heads * summed, c_out = heads * columns, groups = heads, h = rows and w = 1.
    """

    type: Literal["matmul"] = Field(default="matmul", description="kind of op")
    c_in: Channels = Field(description="heads times the length of the axis that is summed over")
    c_out: Channels = Field(description="heads times columns of the output")
    h: Side = Field(description="rows of the first input and of the output")
    w: Side = Field(default=1, description="1")
    groups: Channels = Field(default=1, description="heads: products side by side")

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        _require_divisible(self.groups, self.c_in, self.c_out)
        return self


class BatchNorm(_SameChannels):
    """A BatchNorm that cannot be folded into a conv before it."""

    type: Literal["batch_norm"] = Field(default="batch_norm", description="kind of op")


class Norm(_SameChannels):
    """A normalisation whose statistics come from its input."""

    type: Literal["norm"] = Field(default="norm", description="kind of op")
    function: Literal["layer", "group", "instance", "rms"] = Field(
        description="which values share a mean and a variance; rms has no mean"
    )


class Softmax(_SameChannels):
    """A softmax along one axis."""

    type: Literal["softmax"] = Field(default="softmax", description="kind of op")


class Activation(_SameChannels):
    """A function of each value."""

    type: Literal["activation"] = Field(default="activation", description="kind of op")
    function: str = Field(
        default="unknown",
        max_length=40,
        description="relu, relu6, silu, hardswish, hardsigmoid, sigmoid, tanh, gelu, leaky_relu, "
        "elu, another function's name in lower case, or unknown",
    )


class Add(_SameChannels):
    """A sum or difference of tensors; a smaller one is broadcast. The sizes are the output's."""

    type: Literal["add"] = Field(default="add", description="kind of op")


class Mul(_SameChannels):
    """A product or quotient of tensors; a smaller one is broadcast. The sizes are the output's."""

    type: Literal["mul"] = Field(default="mul", description="kind of op")


class Concat(_Op):
    """Tensors concatenated along the channels."""

    type: Literal["concat"] = Field(default="concat", description="kind of op")


class Split(_Op):
    """A part of the channels."""

    type: Literal["split"] = Field(default="split", description="kind of op")


class Pool(_SameChannels, _Window):
    """`global` averages over all pixels and has the input's size as its kernel."""

    type: Literal["pool"] = Field(default="pool", description="kind of op")
    mode: Literal["max", "avg", "global"] = Field(description="max, average, or global average")
    ceil_mode: bool = Field(
        default=False, description="whether a last window that is partly outside the input counts"
    )

    def _side_out(self, axis: int, side: int, padding: int) -> int:
        stride, ceil = self.stride[axis], self.ceil_mode
        return positions(side, self._span(axis), stride, padding, ceil=ceil)


class Resize(_SameChannels):
    """A change of the resolution."""

    type: Literal["resize"] = Field(default="resize", description="kind of op")
    scale: tuple[Scale, Scale] | None = Field(default=None, description="null: unknown")


class Flatten(_Op):
    """Channels and pixels become one axis: c_out = c_in * h * w."""

    type: Literal["flatten"] = Field(default="flatten", description="kind of op")

    @model_validator(mode="after")
    def _keeps_all_values(self) -> Self:
        if self.c_out != self.c_in * self.h * self.w:
            raise ValueError(
                f"c_out must be c_in * h * w, {self.c_in} * {self.h} * {self.w}, got {self.c_out}"
            )
        return self


class Move(_Resized):
    """Values copied to other places: c_out * h_out * w_out values come out."""

    type: Literal["move"] = Field(default="move", description="kind of op")
    function: str = Field(
        min_length=1,
        max_length=40,
        description="transpose, reshape, slice, gather, pad, tile, expand, depth_to_space, "
        "space_to_depth, part (one output of several), or another name",
    )


class Reduce(_Resized):
    """A reduction over channels, pixels or both."""

    type: Literal["reduce"] = Field(default="reduce", description="kind of op")
    function: str = Field(
        min_length=1, max_length=40, description="mean, max, min, sum, l2, or another name"
    )


class Opaque(_Resized):
    """An op of which only the sizes are known. It is priced from blocks that contain it."""

    type: Literal["opaque"] = Field(default="opaque", description="kind of op")
    function: str = Field(
        min_length=1, max_length=100, description="name of the ONNX op, for example LSTM"
    )


Op = Annotated[
    Conv2d
    | ConvTranspose2d
    | Linear
    | MatMul
    | BatchNorm
    | Norm
    | Softmax
    | Activation
    | Add
    | Mul
    | Concat
    | Split
    | Pool
    | Resize
    | Flatten
    | Move
    | Reduce
    | Opaque,
    Field(discriminator="type"),
]


def output_size(op: Op) -> tuple[int, int]:
    """Height and width of the output in pixels. Unknown padding is assumed to keep the size."""
    if isinstance(op, Flatten):
        return 1, 1
    if isinstance(op, Move | Reduce | Opaque):
        return op.h_out, op.w_out
    if isinstance(op, Pool) and op.mode == "global":
        return 1, 1
    if isinstance(op, Resize) and op.scale is not None:
        return _scaled(op.h, op.scale[0]), _scaled(op.w, op.scale[1])
    if not isinstance(op, Conv2d | ConvTranspose2d | Pool):
        return op.h, op.w
    size = op.size_out()
    if size is not None:
        return size
    if isinstance(op, ConvTranspose2d):
        return op.h * op.stride[0], op.w * op.stride[1]
    return -(-op.h // op.stride[0]), -(-op.w // op.stride[1])


def _scaled(side: int, scale: float) -> int:
    # A scale that is a ratio of two sides may be rounded down.
    return max(1, int(side * scale + 1e-6))
