"""Where the time of a network goes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Wire


class Size(Wire):
    """What a network, or a part of one, computes and holds."""

    macs: int = Field(description="multiply-accumulates of one inference of one input")
    params: int = Field(description="parameters after folding BatchNorm")


class Part(Size):
    """A part of a network's latency."""

    kind: Literal["block", "edges", "call"] = Field(
        description="a block; the edges: input and output taken in and given out; or the call: "
        "what every inference costs, however small"
    )
    name: str | None = Field(description="name of the block; null: edges, call")
    latency_ms: float = Field(description="predicted, inside this network, ms")
    share: float = Field(description="of the network's latency, 0 to 1")


class Breakdown(Size):
    """A latency as the sum of its parts."""

    parts: tuple[Part, ...] = Field(
        description="the blocks in order, then edges and call; they add up to `latency_ms`"
    )


class Whole(Size):
    """The unpruned network."""

    latency_ms: float = Field(description="predicted latency, ms")
