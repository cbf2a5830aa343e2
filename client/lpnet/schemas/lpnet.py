"""LPNets (trained models), trainings, studies and predictions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lpnet.schemas.base import Batch, Coverage, Name, Seed, SpaceHash, SpaceRef, Time, Wire
from lpnet.schemas.breakdown import Breakdown, DenseNetwork
from lpnet.schemas.memory import MemoryPrediction
from lpnet.schemas.report import Report
from lpnet.schemas.vectors import Vectors

MAX_BREAKDOWNS = 200
RunState = Literal["queued", "running", "done", "failed", "cancelled"]


class LPNetInfo(Wire):
    """A version of a target's LPNet."""

    id: str = Field(description="unique id")
    target: Name = Field(description="target it belongs to")
    version: int = Field(description="counted from 1 per target")
    epoch: int = Field(description="epoch of the target it was trained on")
    active: bool = Field(description="whether it is the version in use")
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
    batches: tuple[int, ...] = Field(description="batch sizes that it was trained on")
    created_at: Time = Field(description="when it was trained")


class NewTraining(Wire):
    """Train a new version on the samples of the current epoch."""

    seed: Seed = Field(default=0, description="seed of the training")


class Training(Wire):
    """A training, study or plan in the queue of the workers."""

    id: str = Field(description="unique id")
    target: Name = Field(description="target")
    kind: Literal["training", "study", "plan"] = Field(
        description="a training; a study, whose LPNet is not published; or a plan: the choice of "
        "the networks that a campaign measures last"
    )
    state: RunState = Field(description="state")
    progress: float = Field(description="0 to 1")
    stage: str | None = Field(default=None, description="current stage, for people")
    error: str | None = Field(default=None, description="reason of a failure")
    lpnet: str | None = Field(default=None, description="id of the trained LPNet")
    report: Report | None = Field(default=None, description="report of the LPNet")
    created_at: Time = Field(description="when it was created")
    finished_at: Time | None = Field(default=None, description="when it ended")


class NewStudy(Wire):
    """Train on N random samples and test on the others; the LPNet is not published."""

    samples: Annotated[int, Field(ge=2, le=10**9)] = Field(
        description="number of samples to train on"
    )
    seed: Seed = Field(default=0, description="seed of the draw")


class PredictionRequest(Wire):
    """Predict the latency of networks of a space on a target."""

    target: Name = Field(description="target whose active LPNet predicts")
    space: SpaceRef = Field(description="content hash of the space, or its name if unique")
    widths: Vectors = Field(
        min_length=1,
        max_length=10_000,
        description="a list of width vectors: objects by name, or lists in the space's order. "
        "A width that an object does not name is dense: it keeps all channels",
    )
    batch: Batch = Field(default=1, description="batch size")
    gradient: bool = Field(default=False, description="also return ms per channel of each width")
    coverage: Coverage = Field(default=0.9, description="coverage of the interval")
    fitting: bool = Field(
        default=False,
        description="refuse a network that does not fit in the target's memory: `does_not_fit`",
    )
    breakdown: bool = Field(
        default=False,
        description="also return the latency by block; for at most 200 width vectors",
    )

    @model_validator(mode="after")
    def _limit_breakdowns(self) -> PredictionRequest:
        if self.breakdown and len(self.widths) > MAX_BREAKDOWNS:
            raise ValueError(
                f"widths: with `breakdown` at most {MAX_BREAKDOWNS}, got {len(self.widths)}"
            )
        return self


class Prediction(Wire):
    """The prediction for a width vector."""

    latency_ms: float = Field(description="predicted latency, ms")
    low_ms: float = Field(description="lower end of the interval, ms")
    high_ms: float = Field(description="upper end of the interval, ms")
    gradient: dict[str, float] | None = Field(
        default=None, description="ms per channel, by width name"
    )
    memory: MemoryPrediction | None = Field(
        default=None,
        description="whether it fits in the target's memory; null: no network has failed to fit",
    )
    breakdown: Breakdown | None = Field(
        default=None, description="latency by block; null: not requested"
    )


class PredictionResponse(Wire):
    """The predictions, in the order of the request."""

    target: Name = Field(description="target")
    lpnet: str = Field(description="id of the LPNet")
    coverage: float = Field(description="coverage of the intervals")
    predictions: tuple[Prediction, ...] = Field(description="the predictions")
    dense: DenseNetwork | None = Field(
        default=None, description="the unpruned network, with `breakdown`"
    )


class SpaceInfo(Wire):
    """A space that the service stores."""

    hash: SpaceHash = Field(description="content hash")
    name: str = Field(description="name, for people")
    widths: tuple[WidthInfo, ...] = Field(description="its widths, in order")
    blocks: tuple[str, ...] = Field(description="names of its blocks, in order")
    ops: int = Field(description="ops in its table")
    created_at: Time = Field(description="when it was uploaded")


class WidthInfo(Wire):
    """A width: the number of kept channels of a prunable group."""

    name: str = Field(description="module path of the first conv or linear of the group")
    max: int = Field(description="channels of the unpruned network")
    granule: int = Field(description="legal values are its multiples")


class LPNetList(Wire):
    """Versions of a target's LPNet, newest first."""

    items: tuple[LPNetInfo, ...] = Field(description="the versions")


class SpaceList(Wire):
    """All spaces that the service stores, oldest first."""

    items: tuple[SpaceInfo, ...] = Field(description="the spaces")


SpaceInfo.model_rebuild()
