"""The latency of a network by its parts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Wire


class Size(Wire):
    """The size of a network, or of a part of one."""

    macs: int = Field(description="multiply-accumulates of an inference of a single input")
    params: int = Field(description="parameters after folding BatchNorm")


class LatencyPart(Size):
    """A part of a network's latency."""

    kind: Literal["block", "edges", "call"] = Field(
        description="a block; edges: reading the input and writing the output; call: the constant "
        "cost of an inference"
    )
    name: str | None = Field(description="name of the block; null: edges, call")
    latency_ms: float = Field(description="predicted latency within this network, ms")
    share: float = Field(description="share of the network's latency, 0 to 1")


class Breakdown(Size):
    """A latency as the sum of its parts."""

    parts: tuple[LatencyPart, ...] = Field(
        description="the blocks in order, then edges and call; they add up to `latency_ms`"
    )


class DenseNetwork(Size):
    """The unpruned network."""

    latency_ms: float = Field(description="predicted latency, ms")
