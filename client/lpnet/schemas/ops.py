"""Ops: what a network is made of, at concrete channel counts.

An op's `h` and `w` are the size of its input in pixels; a tensor without pixels has 1 x 1. An op
follows the one before it unless `inputs` names earlier ops by index, -1 being the workload's own
input.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lpnet.schemas.base import Channels, Side, Wire

_Amount = Annotated[int, Field(ge=0, le=10_000)]
_Count = Annotated[int, Field(ge=1, le=10_000)]
Pair = tuple[_Amount, _Amount]
PositivePair = tuple[_Count, _Count]


class _Op(Wire):
    c_in: Channels = Field(
        description="channels of the input (of the first, where there are several)"
    )
    c_out: Channels = Field(description="channels of the output")
    h: Side = Field(description="height of the input in pixels")
    w: Side = Field(description="width of the input in pixels")
    inputs: tuple[Annotated[int, Field(ge=-1)], ...] | None = Field(
        default=None,
        description="indices of the earlier ops that feed this one, -1 for the workload's input; "
        "absent: the op before",
    )


class _Window(_Op):
    kernel: PositivePair = Field(description="kernel height and width")
    stride: PositivePair = Field(default=(1, 1), description="stride, vertical and horizontal")
    padding: Pair | None = Field(
        default=None,
        description="padding added on each side, vertical and horizontal; null: not recorded",
    )
    dilation: PositivePair = Field(default=(1, 1), description="dilation of the kernel")


class Conv2d(_Window):
    """A convolution; its BatchNorm, if it has one, is folded into it."""

    type: Literal["conv2d"] = Field(default="conv2d", description="kind of op")
    groups: Channels = Field(default=1, description="groups; equal to c_in for a depthwise conv")


class ConvTranspose2d(_Window):
    """A transposed convolution; its BatchNorm, if it has one, is folded into it."""

    type: Literal["conv_transpose2d"] = Field(default="conv_transpose2d", description="kind of op")
    groups: Channels = Field(default=1, description="groups of channels")


class Linear(_Op):
    """A fully connected layer."""

    type: Literal["linear"] = Field(default="linear", description="kind of op")
    h: Side = Field(default=1, description="height of the input in pixels")
    w: Side = Field(default=1, description="width of the input in pixels")


class BatchNorm(_Op):
    """A BatchNorm that no conv before it can absorb."""

    type: Literal["batch_norm"] = Field(default="batch_norm", description="kind of op")


class Activation(_Op):
    """A function of each value by itself."""

    type: Literal["activation"] = Field(default="activation", description="kind of op")
    function: str = Field(
        default="unknown",
        max_length=40,
        description="relu, relu6, silu, hardswish, hardsigmoid, sigmoid, tanh, gelu, leaky_relu, "
        "elu, or unknown",
    )


class Add(_Op):
    """The sum of tensors of one shape."""

    type: Literal["add"] = Field(default="add", description="kind of op")


class Mul(_Op):
    """The product of tensors, of one shape or one value per channel."""

    type: Literal["mul"] = Field(default="mul", description="kind of op")


class Concat(_Op):
    """Tensors laid side by side along the channels."""

    type: Literal["concat"] = Field(default="concat", description="kind of op")


class Split(_Op):
    """A part of the channels."""

    type: Literal["split"] = Field(default="split", description="kind of op")


class Pool(_Window):
    """`global` averages over all pixels and has the input's size as its kernel."""

    type: Literal["pool"] = Field(default="pool", description="kind of op")
    mode: Literal["max", "avg", "global"] = Field(description="how a window becomes a value")


class Resize(_Op):
    """Pixels made more or fewer."""

    type: Literal["resize"] = Field(default="resize", description="kind of op")
    scale: tuple[float, float] | None = Field(default=None, description="null: not recorded")


class Flatten(_Op):
    """Channels and pixels become one axis: c_out = c_in * h * w."""

    type: Literal["flatten"] = Field(default="flatten", description="kind of op")


Op = Annotated[
    Conv2d
    | ConvTranspose2d
    | Linear
    | BatchNorm
    | Activation
    | Add
    | Mul
    | Concat
    | Split
    | Pool
    | Resize
    | Flatten,
    Field(discriminator="type"),
]
