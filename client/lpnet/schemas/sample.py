"""Samples: measured workloads."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lpnet.schemas.base import Count, Milliseconds, Name, Reading, Time, Wire
from lpnet.schemas.gpu import GpuConditions
from lpnet.schemas.workload import Kind, Workload

Sentinel = Literal["arithmetic", "memory"]
Draw = Literal["random", "mixed", "aligned", "dense", "sweep", "pruned", "chosen", "asked"]
SampleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]

# Pairs instead of a chain, since any value may be missing. An imported `latency_ms` may be a mean,
# which percentiles do not bound.
_ORDERED = (
    ("min_ms", "p10_ms"),
    ("p10_ms", "p90_ms"),
    ("min_ms", "p90_ms"),
    ("min_ms", "latency_ms"),
)


class Conditions(Wire):
    """Conditions of the device during the measurement. Null: not available."""

    visits_ms: tuple[Milliseconds, ...] = Field(
        default=(),
        description="median of each visit to the workload, ms; visits are separated in time",
    )
    plain_ms: Milliseconds | None = Field(
        default=None, description="median of all timed runs of all visits, ms"
    )
    runs: Count | None = Field(default=None, description="timed runs, including excluded ones")
    waiting_runs: Count | None = Field(
        default=None, description="runs excluded because they waited for a CPU"
    )
    slow_runs: Count | None = Field(
        default=None, description="runs excluded because all runs around them were slower"
    )
    slowed_runs: Count | None = Field(
        default=None,
        description="runs excluded because arithmetic was slower around them than at its best",
    )
    arithmetic_ns: Reading | None = Field(
        default=None,
        description="time of a fixed piece of arithmetic in the visits that count, ns, median",
    )
    wall_s: Reading | None = Field(default=None, description="wall time of the timed runs, s")
    cpu_s: Reading | None = Field(
        default=None, description="CPU time of the measuring process in the timed runs, s"
    )
    waited_s: Reading | None = Field(
        default=None,
        description="time in which its threads waited while another process used their CPU, s",
    )
    others_s: Reading | None = Field(
        default=None, description="CPU time of other processes on its cores, s"
    )
    elsewhere_share: Reading | None = Field(
        default=None,
        description="share of time in which other cores were busy, maximum over visits",
    )
    memory_pct: Reading | None = Field(
        default=None,
        description="slowdown of the memory sentinel before or after a visit, relative to its "
        "session, percent, maximum over visits",
    )
    pressure_s: Reading | None = Field(
        default=None, description="time in which a task of the machine waited for a CPU, s"
    )
    voluntary_switches: Count | None = Field(
        default=None, description="voluntary context switches"
    )
    involuntary_switches: Count | None = Field(
        default=None, description="involuntary context switches"
    )
    page_faults: Count | None = Field(default=None, description="major page faults")
    steal_s: Reading | None = Field(
        default=None, description="CPU time stolen by the hypervisor, s"
    )
    load_1m: Reading | None = Field(default=None, description="load average over one minute")
    runnable: Count | None = Field(default=None, description="runnable threads on the machine")
    frequency_mhz: Reading | None = Field(
        default=None, description="mean clock of the cores used, MHz"
    )
    temperature_c: Reading | None = Field(default=None, description="hottest thermal zone, deg C")
    throttled: bool | None = Field(default=None, description="whether a throttle flag was set")
    event_ms: Milliseconds | None = Field(
        default=None,
        description="median time of an inference by GPU events, ms, in separate runs; it excludes "
        "the launch of the first kernel and the notification of the end",
    )
    gpu: GpuConditions | None = Field(
        default=None, description="conditions of the GPU, if one was timed"
    )


class Measurement(Wire):
    """A measured latency; all latencies are those of an inference at the batch size."""

    latency_ms: Milliseconds = Field(description="median latency, ms")
    std_ms: Annotated[float, Field(ge=0, le=3.6e6)] | None = Field(
        default=None, description="standard deviation over the runs, ms"
    )
    count: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        default=None, description="timed runs"
    )
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
        description="whether the interval reached the required precision within the time budget",
    )
    measured_at: Time | None = Field(default=None, description="when, with time zone")
    session: str | None = Field(
        default=None,
        max_length=64,
        description="id of the measuring process; repeats in another session determine the noise "
        "floor",
    )
    disturbed: bool = Field(
        default=False, description="whether it is disturbed and not used for training"
    )
    reasons: tuple[str, ...] = Field(default=(), description="reasons why it is disturbed")
    conditions: Conditions | None = Field(default=None, description="conditions of the device")

    @model_validator(mode="after")
    def _interval_is_ordered(self) -> Self:
        low, high = self.ci_low_ms, self.ci_high_ms
        if low is not None and high is not None and low > high:
            raise ValueError(f"ci_low_ms must not exceed ci_high_ms, got {low} and {high}")
        return self

    @model_validator(mode="after")
    def _quantiles_are_ordered(self) -> Self:
        for low, high in _ORDERED:
            smaller, larger = getattr(self, low), getattr(self, high)
            if smaller is not None and larger is not None and smaller > larger:
                raise ValueError(f"{low} must not exceed {high}, got {smaller} and {larger}")
        return self


class Sample(Measurement):
    """A measured workload; a line of a samples file."""

    kind: Kind = Field(default="block", description="block, or a whole network")
    workload: Workload = Field(description="the workload")
    id: SampleId | None = Field(default=None, description="unique id within a target")
    draw: Draw | None = Field(
        default=None,
        description="how the workload was chosen: random (arbitrary widths), mixed, aligned, "
        "dense, in a sweep of a width, by a pruner, by what it would tell (chosen), or by a user "
        "(asked)",
    )
    sentinel: Sentinel | None = Field(
        default=None,
        description="name of a sentinel, which is not used for training; null: a workload",
    )

    @field_validator("sentinel", mode="before")
    @classmethod
    def _false_is_none(cls, value: object) -> object:
        # Files of lpnet 0.1 have false for a workload.
        return None if value is False else value


class SampleBatch(Wire):
    """Samples of a target to store."""

    target: Name = Field(description="target of the samples")
    samples: tuple[Sample, ...] = Field(
        min_length=1, max_length=10_000, description="the samples; all are stored, or none"
    )


class IngestResult(Wire):
    """The result of storing a batch."""

    stored: int = Field(description="number of stored samples")
    known: int = Field(description="number of samples whose id was stored already")


class Removal(Wire):
    """The result of deleting samples."""

    deleted: int = Field(description="number of deleted samples")


class StoredSample(Sample):
    """A sample that the service stores."""

    id: SampleId = Field(description="unique within its target")
    target: Name = Field(description="target")
    epoch: int = Field(description="epoch of the target")
    stored_at: Time = Field(description="when the service stored it")


class SamplePage(Wire):
    """A page of samples, oldest first."""

    items: tuple[StoredSample, ...] = Field(description="samples")
    next: str | None = Field(
        default=None, description="value of `after` for the next page; null: there is none"
    )
