"""The report of an LPNet: how good it is, beside baselines on the same split."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Wire

# Why a target has no noise floor, in words for people.
NOISE_UNKNOWN = "fewer than three workloads were repeated in a second session"


class Metrics(Wire):
    """Errors over held-out workloads."""

    n: int = Field(description="held-out workloads")
    mape_pct: float = Field(description="mean absolute percentage error")
    rmspe_pct: float = Field(description="root mean square percentage error")
    within_5_pct: float = Field(description="share of workloads within 5%, percent")
    within_10_pct: float = Field(description="share of workloads within 10%, percent")
    spearman: float | None = Field(description="rank correlation; null for fewer than 3 workloads")


class TrainedOn(Wire):
    """How much it learned from."""

    block: int = Field(description="block samples trained on")
    network: int = Field(description="network samples trained on")


class HeldOut(Wire):
    """Errors on held-out workloads, by how they were drawn; null where there are none."""

    block: Metrics | None = Field(description="blocks")
    network: Metrics | None = Field(description="all whole networks")
    network_random: Metrics | None = Field(description="(a) drawn at random")
    network_aligned: Metrics | None = Field(
        description="(b) every width a multiple of 8, or whole"
    )
    network_pruned: Metrics | None = Field(description="(c) chosen by a pruner: the headline")


class Baseline(Wire):
    """A simpler model, fitted and judged on the same split; null where it does not apply."""

    block: Metrics | None = Field(default=None, description="on held-out blocks")
    network: Metrics | None = Field(default=None, description="on held-out networks")


class Baselines(Wire):
    """What an LPNet has to beat; tuned by cross-validation."""

    flops_linear: Baseline = Field(description="a + b * FLOPs, fitted on relative error")
    ridge_widths: Baseline = Field(description="ridge regression of log latency on the widths")
    gradient_boosting: Baseline = Field(description="gradient boosted trees on log latency")
    gaussian_process: Baseline = Field(description="Gaussian process on log latency")
    width_mlp: Baseline = Field(description="the paper's form: one MLP on the widths of one space")
    lookup: Baseline = Field(description="per-op table with interpolation")


class GranuleChange(Wire):
    """Predicted against measured change for one granule of each width."""

    n: int = Field(description="changes that exceed twice the noise floor")
    spearman: float | None = Field(description="rank correlation of the changes")
    median_rel_error_pct: float = Field(description="median relative error of the change, percent")


class Interval(Wire):
    """The prediction interval, judged on held-out networks."""

    asked_pct: float = Field(description="coverage that was asked for, percent")
    covered_pct: float | None = Field(description="held-out networks inside, percent")
    mean_width_pct: float | None = Field(description="mean width over the prediction, percent")


class Report(Wire):
    """How good an LPNet is; every null has its reason in `reasons`."""

    target: str = Field(description="target")
    lpnet: str | None = Field(description="id of the LPNet; null in a study")
    epoch: int = Field(description="epoch of the target")
    seed: int = Field(description="seed of the training")
    trained_on: TrainedOn = Field(description="how much it learned from")
    noise_floor_pct: float | None = Field(
        description="spread between sessions on this target, percent"
    )
    held_out: HeldOut = Field(description="errors of the LPNet")
    baselines: Baselines = Field(description="errors of simpler models on the same split")
    granule_change: GranuleChange | None = Field(
        default=None, description="how well it knows the effect of a small change"
    )
    regret_pct: float | None = Field(
        default=None,
        description="ms saved by the predicted ten best single cuts, short of the measured ten, "
        "percent",
    )
    network_over_blocks: float | None = Field(
        default=None, description="median of a measured network over the sum of its priced blocks"
    )
    interval: Interval = Field(description="coverage of the interval")
    calibration: tuple[Interval, ...] = Field(
        default=(),
        description="coverage of the interval at several asked ones, ascending; empty: no network "
        "was held out, or an older version judged",
    )
    reasons: dict[str, str] = Field(
        default_factory=dict, description="why a value is null, by its dotted path"
    )
