"""What the agent and its measuring process say to each other: one JSON document per line."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet.schemas.sample import Draw, Sample, Sentinel
from lpnet.schemas.workload import Kind, SpaceWorkload


class Setup(Wire):
    """The first line: what to measure with. `cores` null pins to none."""

    runtime: str
    threads: int = Field(ge=1)
    cores: tuple[int, ...] | None
    block_s: float = Field(default=0.15, gt=0, description="time for the repeats of a block, s")
    network_s: float = Field(default=0.8, gt=0, description="the same of a whole network, s")


class Ready(Wire):
    """The answer to it: what the runtime turned out to be."""

    session: str
    runtime: str
    version: str
    provider: str
    precision: str
    options: dict[str, Any]


class Item(Wire):
    """A workload to measure. Its sample carries the id, or one of its own where it is null."""

    id: str | None = None
    kind: Kind
    workload: SpaceWorkload
    draw: Draw | None = None
    sentinel: Sentinel | None = None


class Ask(Wire):
    """Measure this; `space_file` holds the space that the workload names."""

    item: Item
    space_file: str


class Answer(Wire):
    """A sample, or why there is none."""

    sample: Sample | None = None
    error: str | None = None
    timed_s: float = Field(default=0.0, description="warm-up and repeats, s")
    total_s: float = Field(default=0.0, description="from the question to the answer, s")
