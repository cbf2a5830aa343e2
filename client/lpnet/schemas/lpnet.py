"""LPNets (trained models), trainings, studies and predictions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lpnet.schemas.base import Name, Seed, SpaceHash, Time, Widths, Wire
from lpnet.schemas.breakdown import Breakdown, Whole
from lpnet.schemas.memory import MemoryPrediction
from lpnet.schemas.report import Report

MAX_BREAKDOWNS = 200
RunState = Literal["queued", "running", "done", "failed", "cancelled"]


class LPNetInfo(Wire):
    """A version of a target's LPNet."""

    id: str = Field(description="unique id")
    target: Name = Field(description="target it belongs to")
    version: int = Field(description="counted from 1 per target")
    epoch: int = Field(description="epoch of the target it was trained on")
    active: bool = Field(description="it is the version that answers predictions")
    seed: int = Field(description="seed of the training")
    network_mape_pct: float | None = Field(description="held-out whole-network error, percent")
    noise_floor_pct: float | None = Field(
        default=None,
        description="spread between sessions on the target when it was trained, percent",
    )
    noise_floor_reason: str | None = Field(
        default=None, description="why the noise floor is unknown; null: it is known"
    )
    weights_sha256: str = Field(description="sha256 of the safetensors file")
    batches: tuple[int, ...] = Field(description="batch sizes it has seen")
    created_at: Time = Field(description="when it was trained")


class NewTraining(Wire):
    """Train a new version on the samples of the current epoch."""

    seed: Seed = Field(default=0, description="seed of the training")


class Training(Wire):
    """A training (or study) in the queue of the worker."""

    id: str = Field(description="unique id")
    target: Name = Field(description="target it trains for")
    kind: Literal["training", "study", "plan"] = Field(
        description="a training; a study, which publishes nothing; or a plan: the choice of "
        "the networks that a campaign measures last"
    )
    state: RunState = Field(description="queued, running, or how it ended")
    progress: float = Field(description="0 to 1")
    stage: str | None = Field(default=None, description="what it is doing, in words")
    error: str | None = Field(default=None, description="why it failed")
    lpnet: str | None = Field(default=None, description="id of the LPNet it made")
    report: Report | None = Field(default=None, description="how good the result is")
    created_at: Time = Field(description="when it was asked for")
    finished_at: Time | None = Field(default=None, description="when it ended")


class NewStudy(Wire):
    """Train on N samples drawn with a seed, judge on all others; nothing is published."""

    samples: Annotated[int, Field(ge=2)] = Field(description="samples to train on")
    seed: Seed = Field(default=0, description="seed of the draw")


class PredictionRequest(Wire):
    """Latency of a space at given widths on a target."""

    target: Name = Field(description="target whose active LPNet answers")
    space: SpaceHash = Field(description="content hash of the space")
    widths: tuple[Widths | tuple[float, ...], ...] = Field(
        min_length=1,
        max_length=10_000,
        description="a list of width vectors: objects by name, or lists in the space's order",
    )
    batch: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1, description="inferences run at once"
    )
    gradient: bool = Field(default=False, description="also give ms per channel of each width")
    coverage: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="asked coverage of the interval"
    )
    fitting: bool = Field(
        default=False,
        description="refuse a network that does not fit in the target's memory: `does_not_fit`",
    )
    breakdown: bool = Field(
        default=False,
        description="also say where the time goes; then at most 200 width vectors",
    )

    @model_validator(mode="after")
    def _a_breakdown_is_of_few(self) -> PredictionRequest:
        if self.breakdown and len(self.widths) > MAX_BREAKDOWNS:
            raise ValueError(
                f"widths: {len(self.widths)} vectors; with `breakdown` at most {MAX_BREAKDOWNS}"
            )
        return self


class Prediction(Wire):
    """The answer for one width vector."""

    latency_ms: float = Field(description="predicted latency, ms")
    low_ms: float = Field(description="lower end of the interval, ms")
    high_ms: float = Field(description="upper end of the interval, ms")
    gradient: dict[str, float] | None = Field(
        default=None, description="ms per channel, by width name"
    )
    memory: MemoryPrediction | None = Field(
        default=None,
        description="whether it fits in the target's memory; null: everything fitted so far",
    )
    breakdown: Breakdown | None = Field(
        default=None, description="where the time goes; null: not asked for"
    )


class PredictionResponse(Wire):
    """The answers, in the order of the request."""

    target: Name = Field(description="target")
    lpnet: str = Field(description="id of the LPNet that answered")
    coverage: float = Field(description="asked coverage of the intervals")
    predictions: tuple[Prediction, ...] = Field(description="one per width vector")
    dense: Whole | None = Field(
        default=None, description="the unpruned network, where a breakdown was asked for"
    )


class SpaceInfo(Wire):
    """A space the service holds."""

    hash: SpaceHash = Field(description="content hash")
    name: str = Field(description="name, for people")
    widths: tuple[WidthInfo, ...] = Field(description="its widths, in order")
    blocks: tuple[str, ...] = Field(description="names of its blocks, in order")
    ops: int = Field(description="ops in its table")
    created_at: Time = Field(description="when it was uploaded")


class WidthInfo(Wire):
    """How many channels of one prunable group are kept."""

    name: str = Field(description="module path of the first conv or linear of the group")
    max: int = Field(description="channels of the unpruned network")
    granule: int = Field(description="legal values are its multiples")


class LPNetList(Wire):
    """Versions of a target's LPNet, newest first."""

    items: tuple[LPNetInfo, ...] = Field(description="the versions")


class SpaceList(Wire):
    """Every space the service holds, oldest first."""

    items: tuple[SpaceInfo, ...] = Field(description="the spaces")


SpaceInfo.model_rebuild()
