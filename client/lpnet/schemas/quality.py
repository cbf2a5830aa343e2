"""Whether a host can be measured: what the samples of a campaign show so far."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Name, Wire
from lpnet.schemas.sample import Sentinel

Verdict = Literal["unknown", "good", "poor", "bad"]
Cause = Literal[
    "cpu", "cores", "memory", "speed", "visits", "hypervisor", "heat", "gpu", "drift", "other"
]

# From the best to the worst; nothing is worse than what is not known yet.
VERDICTS: tuple[Verdict, ...] = ("unknown", "good", "poor", "bad")
# Workloads after which the quality of a campaign is known.
ENOUGH_WORKLOADS = 12


class DisturbanceCause(Wire):
    """What disturbed samples. A sample may have several causes."""

    cause: Cause = Field(description="short name of the cause")
    text: str = Field(description="the cause, in words")
    samples: int = Field(description="disturbed samples with this cause, of the newest 100")
    example: str = Field(description="the reason of one of these samples")


class OtherLoad(Wire):
    """What others do to the device while workloads are measured: medians of the newest 100
    samples, percent. Null: the device does not show it."""

    cpu_pct: float | None = Field(description="time in which other work had the measuring CPUs")
    cores_pct: float | None = Field(description="busy share of the other cores")
    memory_pct: float | None = Field(description="slowdown of the memory sentinel beside a visit")
    slowed_pct: float | None = Field(
        description="runs around which arithmetic was slower than at its best, of all runs"
    )
    probes_pct: float | None = Field(
        description="range of the arithmetic probes of the middle 80% of samples, relative to "
        "their median; null: fewer than five"
    )
    visits_pct: float | None = Field(
        description="difference between the slowest and the fastest visit to a workload"
    )


class SentinelSpread(Wire):
    """Readings of a sentinel, the newest 50 of its epoch at most."""

    sentinel: Sentinel = Field(description="name of the sentinel")
    readings: int = Field(description="number of readings")
    disturbed: int = Field(description="number of disturbed readings")
    spread_pct: float | None = Field(
        description="range of the undisturbed readings relative to their median, percent; null: "
        "fewer than two"
    )


class Quality(Wire):
    """Whether a target can be measured, as its samples show."""

    verdict: Verdict = Field(
        description="bad: most samples are disturbed; poor: more than a tenth are, or most of the "
        "newest dozen, or the readings of a sentinel differ by more than 10%; unknown: fewer than "
        "a dozen workloads were measured"
    )
    reason: str = Field(description="the verdict in words, with its figures")
    total: int = Field(description="workloads to measure")
    measured: int = Field(description="workloads measured in jobs that were completed")
    good: int = Field(description="measured workloads with an undisturbed sample")
    disturbed: int = Field(description="measured workloads with a disturbed sample")
    newest: int = Field(description="number of newest samples, a dozen at most")
    newest_disturbed: int = Field(description="disturbed samples among the newest")
    causes: tuple[DisturbanceCause, ...] = Field(description="causes, most frequent first")
    other_load: OtherLoad = Field(description="load of others")
    sentinels: tuple[SentinelSpread, ...] = Field(description="sentinels with readings")
    expected_error_pct: float | None = Field(
        description="error that the noise alone gives an LPNet trained on these samples, percent: "
        "the noise floor, or the scatter of a sentinel if that is larger; null: unknown"
    )
    expected_error_source: str = Field(
        description="where the expected error comes from, or why it is unknown"
    )
    advice: tuple[str, ...] = Field(description="what would help; empty if nothing is needed")


class CampaignQuality(Quality):
    """Whether the target of a campaign can be measured, as its samples show."""

    campaign: str = Field(description="id of the campaign")
    target: Name = Field(description="target that it measures on")
