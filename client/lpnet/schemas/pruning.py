"""Results of pruning jobs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lpnet.schemas.base import (
    Batch,
    Coverage,
    Milliseconds,
    Name,
    Seed,
    SpaceHash,
    Time,
    Widths,
    Wire,
)

Text = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]
# Exact in JSON, also for readers whose numbers are doubles.
Count = Annotated[int, Field(ge=0, le=2**53)]


class PruningResult(Wire):
    """A candidate of a pruning job: a network that it chose for a budget and measured.

    Only the `chosen` candidate is fine-tuned and has an accuracy after pruning.
    """

    id: Annotated[str, Field(pattern=r"^pruning-[0-9a-f]{24}$")] = Field(
        description="unique id, which the job creates"
    )
    job: Annotated[str, Field(pattern=r"^prune-[0-9a-f]{24}$")] = Field(
        description="id of the job"
    )
    round: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="number of the candidate, from 1"
    )
    chosen: bool = Field(description="whether the job continued with this candidate")
    target: Name = Field(description="target of the latency budget")
    space: SpaceHash = Field(description="content hash of the space")
    batch: Batch = Field(default=1, description="batch size")
    method: Text = Field(description="pruning method, for example wgates")
    model: Text = Field(description="name of the network in the job")
    data: Text = Field(description="data set for training and test")
    seed: Seed = Field(description="seed of the job")
    budget_ms: Milliseconds = Field(description="latency budget, ms")
    dense_ms: Milliseconds | None = Field(
        default=None, description="measured latency of the unpruned network, ms; null: unknown"
    )
    dense_predicted_ms: Milliseconds = Field(
        description="predicted latency of the unpruned network, ms"
    )
    predicted_ms: Milliseconds = Field(description="predicted latency, ms")
    low_ms: Milliseconds | None = Field(default=None, description="lower end of its interval, ms")
    high_ms: Milliseconds | None = Field(default=None, description="upper end of its interval, ms")
    coverage: Coverage | None = Field(default=None, description="coverage of the interval")
    measured_ms: Milliseconds | None = Field(
        default=None, description="measured latency, ms; null: no undisturbed measurement"
    )
    metric: Text = Field(default="top-1 accuracy", description="metric of the accuracies")
    accuracy_before: Share = Field(description="accuracy of the unpruned network, 0 to 1")
    accuracy_after: Share | None = Field(
        default=None, description="accuracy after fine-tuning; null: not fine-tuned"
    )
    macs_before: Count = Field(description="multiply-accumulates of the unpruned network")
    macs_after: Count = Field(description="multiply-accumulates of the candidate")
    params_before: Count = Field(description="parameters of the unpruned network")
    params_after: Count = Field(description="parameters of the candidate")
    widths: Widths = Field(max_length=100_000, description="kept channels by width name")
    epochs: dict[Text, Count] = Field(
        default_factory=dict, max_length=20, description="planned epochs by phase of the job"
    )
    seconds: dict[Text, Annotated[float, Field(ge=0, le=1e9)]] = Field(
        default_factory=dict, max_length=20, description="seconds by phase of the job"
    )
    created_at: Time = Field(description="when the job began")
    lpnet_version: Text = Field(description="version of lpnet that ran the job")


class PruningPage(Wire):
    """A page of results, newest first."""

    items: tuple[PruningResult, ...] = Field(description="results")
    next: str | None = Field(
        default=None, description="value of `after` for the next page; null: there is none"
    )
