"""What a space holds, for people and programs."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import SpaceHash, Wire


class TiedWidth(Wire):
    """A width with the layers that it ties."""

    name: str = Field(description="module path of the first layer")
    max: int = Field(description="channels of the unpruned network")
    granule: int = Field(description="legal values are its multiples")
    layers: tuple[str, ...] = Field(
        description="layers whose output channels belong to it, in execution order"
    )


class FrozenPart(Wire):
    """A node that keeps output channels of layers, and why."""

    node: str = Field(description="name of the node, or a pattern of layers frozen by hand")
    op: str = Field(description="its op")
    reason: str = Field(description="why these channels cannot be removed")
    channels: int = Field(description="number of output channels that it keeps")
    layers: tuple[str, ...] = Field(
        description="layers that are frozen by name: by hand, or since cutting them fails"
    )


class SpaceSummary(Wire):
    """A space in numbers and names, with every width at its max."""

    name: str = Field(description="name, for people")
    hash: SpaceHash = Field(description="content hash")
    batch: int = Field(description="default batch size for measuring")
    input_shape: tuple[int, int, int] = Field(
        description="channels, height and width of the input"
    )
    input_shapes: tuple[tuple[int, ...], ...] = Field(
        description="shape of each input at the default batch size"
    )
    macs: int = Field(description="multiply-accumulates of an inference of a single input")
    params: int = Field(description="parameters, with BatchNorm folded in")
    widths: tuple[TiedWidth, ...] = Field(description="its widths, in execution order")
    blocks: tuple[str, ...] = Field(description="names of its blocks, in execution order")
    channels: int = Field(description="output channels of all layers")
    frozen_channels: int = Field(description="how many of them cannot be removed")
    frozen_pct: float = Field(description="the same as a percentage of them")
    frozen: tuple[FrozenPart, ...] = Field(
        description="what keeps channels, in execution order; empty although channels are frozen: "
        "the file of the space is of an older lpnet and holds no reasons"
    )
