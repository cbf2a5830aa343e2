"""What pruning jobs came to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lpnet.schemas.base import Milliseconds, Name, Seed, SpaceHash, Time, Widths, Wire

Text = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class PruningResult(Wire):
    """A candidate of a pruning job: a network that it chose for a budget, and had measured.

    The one that the job went on with is `chosen`: it alone is trained further, so that it alone
    has an accuracy afterwards.
    """

    id: Annotated[str, Field(pattern=r"^pruning-[0-9a-f]{24}$")] = Field(
        description="made by the job; stored once"
    )
    job: Annotated[str, Field(pattern=r"^prune-[0-9a-f]{24}$")] = Field(
        description="the job; its candidates share it"
    )
    round: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="place among the job's candidates, from 1"
    )
    chosen: bool = Field(description="the candidate that the job went on with")
    target: Name = Field(description="target whose latency was the budget's")
    space: SpaceHash = Field(description="content hash of the space")
    batch: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1, description="inferences run at once"
    )
    method: Text = Field(description="how the widths were chosen, for example wgates")
    model: Text = Field(description="the network, as it was named to the job")
    data: Text = Field(description="what it was trained on and judged by")
    seed: Seed = Field(description="seed of the job")
    budget_ms: Milliseconds = Field(description="latency that was asked for, ms")
    dense_ms: Milliseconds | None = Field(
        default=None, description="measured latency of the unpruned network, ms; null: unknown"
    )
    dense_predicted_ms: Milliseconds = Field(description="predicted latency of it, ms")
    predicted_ms: Milliseconds = Field(description="predicted latency, ms")
    low_ms: Milliseconds | None = Field(default=None, description="lower end of its interval, ms")
    high_ms: Milliseconds | None = Field(default=None, description="upper end of its interval, ms")
    coverage: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="asked coverage of the interval"
    )
    measured_ms: Milliseconds | None = Field(
        default=None, description="measured latency, ms; null: no undisturbed measurement"
    )
    metric: Text = Field(default="top-1 accuracy", description="what the accuracies are")
    accuracy_before: Share = Field(description="of the unpruned network, 0 to 1")
    accuracy_after: Share | None = Field(
        default=None, description="of this one, trained further; null: it was not"
    )
    macs_before: Count = Field(description="multiply-accumulates of the unpruned network")
    macs_after: Count = Field(description="multiply-accumulates of this one")
    params_before: Count = Field(description="parameters of the unpruned network")
    params_after: Count = Field(description="parameters of this one")
    widths: Widths = Field(max_length=100_000, description="kept channels by width name")
    epochs: dict[Text, Count] = Field(
        default_factory=dict, max_length=20, description="epochs asked for, by phase of the job"
    )
    seconds: dict[Text, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, max_length=20, description="seconds spent, by phase of the job"
    )
    created_at: Time = Field(description="when the job began")
    lpnet_version: Text = Field(description="version of lpnet that ran the job")


class PruningPage(Wire):
    """A page of results, those reported last first."""

    items: tuple[PruningResult, ...] = Field(description="results")
    next: str | None = Field(
        default=None, description="pass as `after` for the next page; null: none"
    )
