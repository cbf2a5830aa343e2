"""Messages between the agent and its measuring process: one JSON document per line."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lpnet.schemas.base import Wire
from lpnet.schemas.sample import Draw, Measurement, Sample, Sentinel
from lpnet.schemas.workload import Kind, SpaceWorkload
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels


class Setup(Wire):
    """The first message: what to measure with."""

    runtime: str
    provider: str = "cpu"
    precision: str = "fp32"
    options: dict[str, str] = Field(default_factory=dict, description="options of the runtime")
    threads: int = Field(ge=1)
    cores: tuple[int, ...] | None = Field(description="cores to pin to; null: do not pin")
    block_s: float = Field(default=0.15, gt=0, description="time for the repeats of a block, s")
    network_s: float = Field(
        default=0.5, gt=0, description="time for the repeats of a whole network, s"
    )
    fps: float | None = Field(
        default=None,
        gt=0,
        description="inferences per second, sleeping in between; null: back to back",
    )
    visits: int = Field(default=4, ge=2, description="maximum number of visits to a workload")
    gap_s: float = Field(
        default=0.25,
        ge=0,
        description="minimum time between the first two visits, s; doubles with every visit",
    )
    crowded: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="busy share of the other cores above which a visit counts as disturbed",
    )

    @property
    def duty(self) -> str:
        """How busy the target is kept: `sustained`, or for example `paced(30)`."""
        return "sustained" if self.fps is None else f"paced({self.fps:g})"

    @property
    def period_s(self) -> float | None:
        """Time from the start of one inference to the next; None if they run back to back."""
        return None if self.fps is None else 1 / self.fps


class SessionInfo(Wire):
    """The reply to Setup: the session id, and the runtime as it was loaded."""

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
    """A workload to measure. Its sample carries `id`, or a new id if this is null."""

    id: str | None = None
    kind: Kind
    workload: SpaceWorkload
    draw: Draw | None = None
    sentinel: Sentinel | None = None


class VisitRequest(Wire):
    """Time a network once more. With `first`, earlier visits of this process are forgotten; at
    most `visits` visits are made. `levels` are the best of the epoch so far."""

    first: bool = True
    visits: int = Field(default=4, ge=1)
    levels: ProbeLevels = UNKNOWN


class WorkloadRequest(VisitRequest):
    """Visit a workload of the space in `space_file`."""

    item: Item
    space_file: str


class FileRequest(VisitRequest):
    """Visit the network in an ONNX file, as it is."""

    model_file: str


AnyRequest = WorkloadRequest | FileRequest


class VisitResult(Wire):
    """The reply to a VisitRequest.

    After the last visit it holds a sample (a measurement for a FileRequest), or an error. With
    neither, the workload needs another visit. `visits` counts the visits so far. `levels` are the
    request's, improved by those of this visit.
    """

    sample: Sample | None = None
    measurement: Measurement | None = None
    visits: int = 0
    levels: ProbeLevels = UNKNOWN
    error: str | None = None
    out_of_memory: bool = Field(default=False, description="the error: it does not fit in memory")
    timed_s: float = Field(default=0.0, description="time in timed repeats, s")
    total_s: float = Field(default=0.0, description="time from the request to this result, s")
