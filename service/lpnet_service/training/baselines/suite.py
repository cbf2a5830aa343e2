"""All baselines on blocks and on networks, with the reason for each that does not apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lpnet.schemas.report import Baseline as BaselineMetrics
from lpnet.schemas.report import Baselines, Metrics, TrainedOn
from lpnet_service.training.baselines import learned
from lpnet_service.training.baselines.flops import flops_linear
from lpnet_service.training.baselines.learned import (
    gaussian_process,
    gradient_boosting,
    ridge_widths,
    width_mlp,
)
from lpnet_service.training.baselines.lookup import lookup
from lpnet_service.training.baselines.task import Baseline, NotApplicable, Task
from lpnet_service.training.metrics import metrics
from lpnet_service.training.records import Record

ALL: dict[str, Baseline] = {
    "flops_linear": flops_linear,
    "ridge_widths": ridge_widths,
    "gradient_boosting": gradient_boosting,
    "gaussian_process": gaussian_process,
    "width_mlp": width_mlp,
    "lookup": lookup,
}


def baselines(
    training: Sequence[Record],
    test: Sequence[Record],
    seed: int,
    progress: Callable[[float, str], None],
) -> tuple[Baselines, dict[str, str]]:
    """Every baseline on the held-out blocks and networks, and the reasons for null baselines."""
    reasons: dict[str, str] = {}
    results: dict[str, dict[str, Metrics | None]] = {name: {} for name in ALL}
    for kind in ("block", "network"):
        task = Task(
            training=tuple(r for r in training if r.kind == kind),
            test=tuple(r for r in test if r.kind == kind),
            blocks=tuple(r for r in training if r.kind == "block"),
            seed=seed,
        )
        for index, (name, baseline) in enumerate(ALL.items()):
            done = (index / len(ALL) + (kind == "network")) / 2.0
            progress(done, f"baseline {name} on {kind}s")
            try:
                results[name][kind] = _tested(baseline, task)
            except NotApplicable as reason:
                results[name][kind] = None
                reasons[f"baselines.{name}.{kind}"] = str(reason)
    parts = {"gaussian_process": _gaussian_process_samples(training)}
    metrics_of = {
        name: BaselineMetrics(**kinds, trained_on=parts.get(name))
        for name, kinds in results.items()
    }
    return Baselines(**metrics_of), reasons


def _gaussian_process_samples(training: Sequence[Record]) -> TrainedOn | None:
    """How many samples of each kind it learns from; None: all."""
    networks = sum(record.kind == "network" for record in training)
    counts = {"block": len(training) - networks, "network": networks}
    if max(counts.values()) <= learned.MAX_GP_SAMPLES:
        return None
    limited = {kind: min(count, learned.MAX_GP_SAMPLES) for kind, count in counts.items()}
    return TrainedOn(**limited)


def _tested(baseline: Baseline, task: Task) -> Metrics | None:
    if not task.test:
        raise NotApplicable("nothing of this kind was held out")
    measured = np.array([record.latency_ms for record in task.test])
    return metrics(baseline(task), measured)
