"""LPNets (trained models), trainings, studies, predictions and the latency table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Time, Widths, Wire
from lpnet.schemas.report import Report
from lpnet.schemas.workload import Kind, Workload

RunState = Literal["queued", "running", "done", "failed", "cancelled"]


class LPNetInfo(Wire):
    """A version of a target's LPNet."""

    id: str
    target: Name
    version: int = Field(description="counted from 1 per target")
    epoch: int
    active: bool
    seed: int
    network_mape_pct: float | None = Field(description="held-out whole-network error, percent")
    weights_sha256: str
    batches: tuple[int, ...] = Field(description="batch sizes it has seen")
    created_at: Time


class NewTraining(Wire):
    seed: int = 0


class Training(Wire):
    """A training (or study) in the queue of the worker."""

    id: str
    target: Name
    kind: Literal["training", "study"]
    state: RunState
    progress: float = Field(description="0 to 1")
    stage: str | None = Field(default=None, description="what it is doing, in words")
    error: str | None = None
    lpnet: str | None = Field(default=None, description="id of the LPNet it made")
    report: Report | None = None
    created_at: Time
    finished_at: Time | None = None


class NewStudy(Wire):
    """Train on N samples drawn with a seed, judge on all others; nothing is published."""

    samples: Annotated[int, Field(ge=2)] = Field(description="samples to train on")
    seed: int = Field(default=0, description="seed of the draw")


class PredictionRequest(Wire):
    target: Name
    space: SpaceHash
    widths: tuple[Widths | tuple[float, ...], ...] = Field(
        min_length=1,
        max_length=10_000,
        description="a list of width vectors: objects by name, or lists in the space's order",
    )
    batch: Annotated[int, Field(ge=1)] = Field(default=1, description="inferences run at once")
    gradient: bool = Field(default=False, description="also give ms per channel of each width")
    coverage: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="asked coverage of the interval"
    )


class Prediction(Wire):
    latency_ms: float
    low_ms: float = Field(description="lower end of the interval, ms")
    high_ms: float = Field(description="upper end of the interval, ms")
    gradient: dict[str, float] | None = Field(
        default=None, description="ms per channel, by width name"
    )


class PredictionResponse(Wire):
    target: Name
    lpnet: str = Field(description="id of the LPNet that answered")
    coverage: float
    predictions: tuple[Prediction, ...]


class TableRow(Wire):
    """A measured workload of a target, beside what its LPNet says."""

    id: str
    kind: Kind
    workload: Workload
    latency_ms: float
    std_ms: float | None
    count: int | None
    disturbed: bool
    held_out: bool | None = Field(description="not trained on; null: not assigned yet")
    predicted_ms: float | None = Field(description="null: no LPNet yet, or ops it does not cover")
    error_pct: float | None = Field(description="predicted over measured, less one, percent")
    measured_at: Time | None


class TablePage(Wire):
    target: Name
    lpnet: str | None
    noise_floor_pct: float | None
    items: tuple[TableRow, ...]
    next: str | None = Field(
        default=None, description="pass as `after` for the next page; null: none"
    )


class SpaceInfo(Wire):
    """A space the service holds."""

    hash: SpaceHash
    name: str
    widths: tuple[WidthInfo, ...]
    blocks: tuple[str, ...]
    ops: int
    created_at: Time


class WidthInfo(Wire):
    name: str
    max: int
    granule: int


SpaceInfo.model_rebuild()
