"""The report of an LPNet: how good it is, beside baselines judged on the same held-out workloads."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Wire


class Metrics(Wire):
    n: int = Field(description="held-out workloads")
    mape_pct: float = Field(description="mean absolute percentage error")
    rmspe_pct: float = Field(description="root mean square percentage error")
    within_5_pct: float = Field(description="share of workloads within 5%, percent")
    within_10_pct: float = Field(description="share of workloads within 10%, percent")
    spearman: float | None = Field(description="rank correlation; null for fewer than 3 workloads")


class TrainedOn(Wire):
    block: int = Field(description="block samples trained on")
    network: int = Field(description="network samples trained on")


class HeldOut(Wire):
    block: Metrics | None
    network: Metrics | None
    network_random: Metrics | None = Field(description="(a) drawn at random")
    network_aligned: Metrics | None = Field(
        description="(b) every width a multiple of 8, or whole"
    )
    network_pruned: Metrics | None = Field(description="(c) chosen by a pruner: the headline")


class Baseline(Wire):
    block: Metrics | None = None
    network: Metrics | None = None


class Baselines(Wire):
    flops_linear: Baseline = Field(description="a + b * FLOPs, fitted on relative error")
    ridge_widths: Baseline = Field(description="ridge regression of log latency on the widths")
    gradient_boosting: Baseline
    gaussian_process: Baseline
    width_mlp: Baseline = Field(description="the paper's form: one MLP on the widths of one space")
    lookup: Baseline = Field(description="per-op table with interpolation")


class GranuleChange(Wire):
    n: int
    spearman: float | None
    median_rel_error_pct: float


class Interval(Wire):
    asked_pct: float = Field(description="coverage that was asked for, percent")
    covered_pct: float | None = Field(description="held-out networks inside, percent")
    mean_width_pct: float | None = Field(description="mean width over the prediction, percent")


class Report(Wire):
    target: str
    lpnet: str | None = Field(description="id of the LPNet; null in a study")
    epoch: int
    seed: int
    trained_on: TrainedOn
    noise_floor_pct: float | None = Field(
        description="spread between sessions on this target, percent"
    )
    held_out: HeldOut
    baselines: Baselines
    granule_change: GranuleChange | None = None
    regret_pct: float | None = None
    network_over_blocks: float | None = Field(
        default=None, description="median of a measured network over the sum of its priced blocks"
    )
    interval: Interval
    reasons: dict[str, str] = Field(
        default_factory=dict, description="why a value is null, by its dotted path"
    )
