"""Samples: one measured workload on one target."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lpnet.schemas.base import Milliseconds, Name, Time, Wire
from lpnet.schemas.gpu import GpuConditions
from lpnet.schemas.workload import Kind, Workload

Sentinel = Literal["arithmetic", "memory"]
Draw = Literal["random", "mixed", "aligned", "dense", "sweep", "pruned", "asked"]
SampleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]

# Pairs rather than a chain: any of them may be missing. An imported `latency_ms` may be a mean,
# which no percentile bounds.
_ORDERED = (
    ("min_ms", "p10_ms"),
    ("p10_ms", "p90_ms"),
    ("min_ms", "p90_ms"),
    ("min_ms", "latency_ms"),
)


class Conditions(Wire):
    """What the device was like while the sample was taken. Null: not exposed or not read."""

    visits_ms: tuple[float, ...] = Field(
        default=(),
        description="median of each visit to the workload, ms; visits are apart in time",
    )
    plain_ms: float | None = Field(
        default=None, description="median of all timed runs of all visits, none left out, ms"
    )
    runs: int | None = Field(default=None, description="timed runs, those not counted included")
    waiting_runs: int | None = Field(
        default=None, description="runs not counted because they waited for a CPU"
    )
    slow_runs: int | None = Field(
        default=None, description="runs not counted because all runs around them were slower"
    )
    wall_s: float | None = Field(default=None, description="wall time of the timed runs, s")
    cpu_s: float | None = Field(
        default=None, description="CPU time of the measuring process in the timed runs, s"
    )
    waited_s: float | None = Field(
        default=None,
        description="time its threads were ready to run while something else had their CPU, s",
    )
    others_s: float | None = Field(
        default=None, description="CPU time that others had on its cores meanwhile, s"
    )
    elsewhere_share: float | None = Field(
        default=None, description="share of time that the other cores were busy, worst visit"
    )
    memory_pct: float | None = Field(
        default=None,
        description="how much slower the memory sentinel was right before or after a visit than "
        "it usually was in that session, percent, worst visit",
    )
    pressure_s: float | None = Field(
        default=None, description="time in which any task on the machine waited for a CPU, s"
    )
    voluntary_switches: int | None = Field(
        default=None, description="context switches it asked for"
    )
    involuntary_switches: int | None = Field(
        default=None, description="context switches forced on it"
    )
    page_faults: int | None = Field(default=None, description="major page faults")
    steal_s: float | None = Field(default=None, description="CPU time stolen by the hypervisor, s")
    load_1m: float | None = Field(default=None, description="load average over one minute")
    runnable: int | None = Field(default=None, description="runnable threads on the machine")
    frequency_mhz: float | None = Field(
        default=None, description="mean clock of the cores used, MHz"
    )
    temperature_c: float | None = Field(default=None, description="hottest thermal zone, deg C")
    throttled: bool | None = Field(default=None, description="a throttle flag was set meanwhile")
    event_ms: Milliseconds | None = Field(
        default=None,
        description="median time of an inference by the events of the GPU itself, ms, in runs of "
        "their own: without launching its first kernel and noticing its end",
    )
    gpu: GpuConditions | None = Field(default=None, description="the GPU, where one was timed")


class Measurement(Wire):
    """What timing a network came to; all latencies are of one inference at its batch size."""

    latency_ms: Milliseconds = Field(description="median latency, ms")
    std_ms: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="standard deviation over the runs, ms"
    )
    count: Annotated[int, Field(ge=1)] | None = Field(default=None, description="timed runs")
    p10_ms: Milliseconds | None = Field(default=None, description="10th percentile, ms")
    p90_ms: Milliseconds | None = Field(default=None, description="90th percentile, ms")
    min_ms: Milliseconds | None = Field(default=None, description="fastest run, ms")
    ci_low_ms: Milliseconds | None = Field(
        default=None, description="lower end of the within-session 95% interval of the median, ms"
    )
    ci_high_ms: Milliseconds | None = Field(
        default=None, description="upper end of the within-session 95% interval of the median, ms"
    )
    converged: bool | None = Field(
        default=None,
        description="the interval reached the asked precision before the budget ended",
    )
    measured_at: Time | None = Field(default=None, description="when, with zone")
    session: str | None = Field(
        default=None,
        max_length=64,
        description="the measuring process; a workload repeated in another session shows the "
        "noise floor",
    )
    disturbed: bool = Field(default=False, description="disturbed; kept out of training")
    reasons: tuple[str, ...] = Field(default=(), description="why it counts as disturbed")
    conditions: Conditions | None = Field(
        default=None, description="what the device was like meanwhile"
    )

    @model_validator(mode="after")
    def _interval_is_ordered(self) -> Self:
        low, high = self.ci_low_ms, self.ci_high_ms
        if low is not None and high is not None and low > high:
            raise ValueError(f"ci_low_ms {low} is above ci_high_ms {high}")
        return self

    @model_validator(mode="after")
    def _quantiles_are_ordered(self) -> Self:
        for low, high in _ORDERED:
            below, above = getattr(self, low), getattr(self, high)
            if below is not None and above is not None and below > above:
                raise ValueError(f"{low} {below} is above {high} {above}")
        return self


class Sample(Measurement):
    """One line of a samples file: a measurement of a workload that can be learned from."""

    kind: Kind = Field(default="block", description="block, or a whole network")
    workload: Workload = Field(description="what was timed")
    id: SampleId | None = Field(
        default=None, description="made by whoever measured; stored once for a target"
    )
    draw: Draw | None = Field(
        default=None,
        description="how the workload was chosen: at random (arbitrary widths), mixed, aligned, "
        "dense, as part of a sweep of one width, by a pruner, or asked for by a user",
    )
    sentinel: Sentinel | None = Field(
        default=None,
        description="which check of the device it is, kept out of training; null: a workload",
    )

    @field_validator("sentinel", mode="before")
    @classmethod
    def _false_is_none(cls, value: object) -> object:
        """Files of lpnet 0.1 say false of a workload."""
        return None if value is False else value


class SampleBatch(Wire):
    """Samples to store, all of one target."""

    target: Name = Field(description="target they were measured on")
    samples: tuple[Sample, ...] = Field(
        min_length=1, max_length=10_000, description="all of them are stored, or none"
    )


class IngestResult(Wire):
    """What became of a batch."""

    stored: int = Field(description="samples stored now")
    known: int = Field(description="samples that were stored before under the same id")


class StoredSample(Sample):
    """A sample as the service holds it."""

    id: SampleId = Field(description="unique within its target")
    target: Name = Field(description="target it was measured on")
    epoch: int = Field(description="epoch of the target it belongs to")
    stored_at: Time = Field(description="when the service stored it")


class SamplePage(Wire):
    """A page of samples, oldest first."""

    items: tuple[StoredSample, ...] = Field(description="samples")
    next: str | None = Field(
        default=None, description="pass as `after` for the next page; null: none"
    )
