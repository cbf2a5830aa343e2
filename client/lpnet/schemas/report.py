"""The report of an LPNet: its errors and those of baselines on the same split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Name, Wire

# Reason for an unknown noise floor, for people.
NOISE_UNKNOWN = (
    "fewer than ten workloads were measured again in another session, at least a minute later"
)


class Metrics(Wire):
    """Errors over held-out workloads."""

    n: int = Field(description="held-out workloads")
    mape_pct: float = Field(description="mean absolute percentage error")
    rmspe_pct: float = Field(description="root mean square percentage error")
    within_5_pct: float = Field(description="share of workloads within 5%, percent")
    within_10_pct: float = Field(description="share of workloads within 10%, percent")
    spearman: float | None = Field(description="rank correlation; null for fewer than 3 workloads")


class TrainedOn(Wire):
    """Number of training samples."""

    block: int = Field(description="block samples trained on")
    network: int = Field(description="network samples trained on")


class HeldOut(Wire):
    """Errors on held-out workloads, by how they were drawn; null if there are none."""

    block: Metrics | None = Field(description="blocks")
    network: Metrics | None = Field(description="all whole networks")
    network_random: Metrics | None = Field(description="(a) drawn at random")
    network_aligned: Metrics | None = Field(
        description="(b) with widths that are multiples of 8 or at their max"
    )
    network_pruned: Metrics | None = Field(description="(c) chosen by a pruner: the main figure")


class Baseline(Wire):
    """A simpler model, trained and tested on the same split; null if it does not apply."""

    block: Metrics | None = Field(default=None, description="on held-out blocks")
    network: Metrics | None = Field(default=None, description="on held-out networks")
    trained_on: TrainedOn | None = Field(
        default=None,
        exclude_if=lambda trained_on: trained_on is None,
        description="number of samples that it learned from, where the training had more than it "
        "can take; absent: all",
    )


class Baselines(Wire):
    """Simpler models to compare with, tuned by cross-validation."""

    flops_linear: Baseline = Field(description="a + b * FLOPs, fitted on relative error")
    ridge_widths: Baseline = Field(description="ridge regression of log latency on the widths")
    gradient_boosting: Baseline = Field(description="gradient boosted trees on log latency")
    gaussian_process: Baseline = Field(description="Gaussian process on log latency")
    width_mlp: Baseline = Field(
        description="the model of the paper: an MLP on the widths of a space"
    )
    lookup: Baseline = Field(description="per-op table with interpolation")


HeldOutCount = Literal[0, 1, 2]


class Cuts(Wire):
    """Pairs of measured workloads that differ in one width, by a small step.

    The two are neighbours among the measured values of that width, at most 16 channels or a
    quarter of the larger value apart. Channels that are equal are one width in a workload that is
    described op by op.
    """

    n: int = Field(description="pairs")
    held_out: HeldOutCount = Field(
        description="how many workloads of each pair were held out, at least; with 0 the LPNet "
        "may have been trained on both"
    )


class GranuleChange(Wire):
    """Predicted against measured changes of latency, as shares of it, between the two workloads
    of a pair of `cuts`."""

    n: int = Field(description="pairs whose measured change exceeds twice the noise floor")
    spearman: float | None = Field(description="rank correlation of the changes")
    median_rel_error_pct: float = Field(description="median relative error of the change, percent")


class Interval(Wire):
    """The prediction interval, tested on held-out workloads of a kind."""

    asked_pct: float = Field(description="nominal coverage, percent")
    covered_pct: float | None = Field(
        description="share of held-out workloads within the interval, percent"
    )
    mean_width_pct: float | None = Field(
        description="mean width relative to the prediction, percent"
    )


class SuspectSample(Wire):
    """A sample that looks wrong."""

    sample: str | None = Field(description="its id; null: unknown")
    workload: str = Field(description="key of its workload")
    latency_ms: float = Field(description="latency, ms")


class CandidateErrors(Wire):
    """The cross-validated errors of a kind of latency model among which training chose."""

    kind: str = Field(description="kind of latency model")
    mean_pct: float = Field(description="mean absolute error, percent")
    median_pct: float = Field(description="median absolute error, percent")


class TableWarning(Wire):
    """What looks wrong with the samples, and which they are."""

    kind: str = Field(
        description="outliers (left out of training and test), copies (each counts once), "
        "rounded, or noisy; later versions may have more"
    )
    message: str = Field(description="what is wrong, with some of the samples, for people")
    n: int = Field(description="number of these samples")
    samples: tuple[SuspectSample, ...] = Field(description="the worst of them, up to 20")


class Report(Wire):
    """The errors of an LPNet; `reasons` explains each null."""

    target: str = Field(description="target")
    lpnet: str | None = Field(description="id of the LPNet; null in a study")
    epoch: int = Field(description="epoch of the target")
    seed: int = Field(description="seed of the training")
    trained_on: TrainedOn = Field(description="number of training samples")
    noise_floor_pct: float | None = Field(
        description="spread between sessions on this target, percent"
    )
    noise_floor_low_pct: float | None = Field(
        default=None, description="lower end of its 95% bootstrap interval, percent"
    )
    noise_floor_high_pct: float | None = Field(
        default=None, description="upper end of its 95% bootstrap interval, percent"
    )
    kind: str | None = Field(
        default=None, description="kind of latency model; null: the report is of an older version"
    )
    candidates: tuple[CandidateErrors, ...] | None = Field(
        default=None,
        description="errors of the kinds among which training chose, each on workloads that it "
        "was not fitted to; empty: there were too few workloads; null: training was told the "
        "kind, or the report is of an older version",
    )
    transferred_from: Name | None = Field(
        default=None,
        description="target with whose samples the training began; null: it began from scratch",
    )
    held_out: HeldOut = Field(description="errors of the LPNet")
    baselines: Baselines = Field(description="errors of simpler models on the same split")
    cuts: Cuts | None = Field(
        default=None, description="what granule_change and regret_pct are computed from"
    )
    granule_change: GranuleChange | None = Field(
        default=None, description="errors on the effect of small changes"
    )
    regret_pct: float | None = Field(
        default=None,
        description="latency saved by the ten best single cuts by prediction, below that of the "
        "ten best by measurement, percent. A cut is a pair of `cuts`, and the best ones save most "
        "ms per channel. Those whose predicted and measured changes are both within twice the "
        "noise floor do not count",
    )
    network_over_blocks: float | None = Field(
        default=None,
        description="median ratio of a measured network to the sum of its predicted blocks",
    )
    interval: Interval = Field(description="coverage of the interval, on networks")
    interval_block: Interval | None = Field(
        default=None, description="coverage of the interval, on blocks"
    )
    calibration: tuple[Interval, ...] = Field(
        default=(),
        description="coverage of the interval at several nominal coverages, ascending; empty: no "
        "network was held out, or the report is of an older version",
    )
    calibration_block: tuple[Interval, ...] = Field(
        default=(), description="the same on blocks; empty: no block was held out, or older"
    )
    warnings: tuple[TableWarning, ...] = Field(
        default=(), description="what looks wrong with the samples"
    )
    reasons: dict[str, str] = Field(
        default_factory=dict, description="why a value is null, by its dotted path"
    )
