"""What the agent and its measuring process say to each other: one JSON document per line."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet.schemas.sample import Draw, Measurement, Sample, Sentinel
from lpnet.schemas.workload import Kind, SpaceWorkload


class Setup(Wire):
    """The first line: what to measure with. `cores` null pins to none."""

    runtime: str
    provider: str = "cpu"
    precision: str = "fp32"
    options: dict[str, str] = Field(default_factory=dict, description="the runtime's own")
    threads: int = Field(ge=1)
    cores: tuple[int, ...] | None
    block_s: float = Field(default=0.15, gt=0, description="time for the repeats of a block, s")
    network_s: float = Field(default=0.5, gt=0, description="the same of a whole network, s")
    fps: float | None = Field(
        default=None, gt=0, description="inferences a second, asleep between; null: back to back"
    )
    visits: int = Field(default=4, ge=2, description="most visits to a workload")
    gap_s: float = Field(
        default=0.25, ge=0, description="least time between the first two visits, doubling then, s"
    )
    crowded: float = Field(
        default=0.3, ge=0, le=1, description="busy share of the other cores that is still quiet"
    )

    @property
    def duty(self) -> str:
        """How busy the target is kept: `sustained`, or `paced(30)`."""
        return "sustained" if self.fps is None else f"paced({self.fps:g})"

    @property
    def period_s(self) -> float | None:
        """Time from one inference to the next; None where they are back to back."""
        return None if self.fps is None else 1 / self.fps


class SessionInfo(Wire):
    """The answer to it: what the runtime turned out to be."""

    session: str
    runtime: str
    version: str
    provider: str
    precision: str
    options: dict[str, Any]
    variant: str = ""
    driver: str | None = None
    power_mode: str | None = None


class Item(Wire):
    """A workload to measure. Its sample carries the id, or one of its own where it is null."""

    id: str | None = None
    kind: Kind
    workload: SpaceWorkload
    draw: Draw | None = None
    sentinel: Sentinel | None = None


class VisitRequest(Wire):
    """Without `first`, what earlier visits of this process saw counts too. At most `visits` of
    them are made."""

    first: bool = True
    visits: int = Field(default=4, ge=1)


class WorkloadRequest(VisitRequest):
    """Visit this workload; `space_file` holds the space that it names."""

    item: Item
    space_file: str


class FileRequest(VisitRequest):
    """Visit the network in an ONNX file, as it is."""

    model_file: str


class VisitResult(Wire):
    """What came of a visit: a sample (a measurement, of a file) where it was the last one needed
    or allowed, or an error.

    With neither, another visit is wanted. `visits` counts those that this process remembers.
    """

    sample: Sample | None = None
    measurement: Measurement | None = None
    visits: int = 0
    error: str | None = None
    out_of_memory: bool = Field(default=False, description="the error: it does not fit in memory")
    timed_s: float = Field(default=0.0, description="timed repeats, s")
    total_s: float = Field(default=0.0, description="from the question to the answer, s")
