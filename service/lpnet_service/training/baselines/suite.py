"""All baselines on both kinds, with the reason for each that cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lpnet.schemas.report import Baseline as Judged
from lpnet.schemas.report import Baselines, Metrics
from lpnet_service.training.baselines.flops import flops_linear
from lpnet_service.training.baselines.learned import (
    gaussian_process,
    gradient_boosting,
    ridge_widths,
    width_mlp,
)
from lpnet_service.training.baselines.lookup import lookup
from lpnet_service.training.baselines.task import Baseline, Impossible, Task
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
    judged: Sequence[Record],
    seed: int,
    progress: Callable[[float, str], None],
) -> tuple[Baselines, dict[str, str]]:
    """Every baseline on the held-out blocks and networks, and why some are null."""
    reasons: dict[str, str] = {}
    found: dict[str, dict[str, Metrics | None]] = {name: {} for name in ALL}
    for kind in ("block", "network"):
        task = Task(
            training=tuple(r for r in training if r.kind == kind),
            judged=tuple(r for r in judged if r.kind == kind),
            blocks=tuple(r for r in training if r.kind == "block"),
            seed=seed,
        )
        for place, (name, baseline) in enumerate(ALL.items()):
            done = (place / len(ALL) + (kind == "network")) / 2.0
            progress(done, f"baseline {name} on {kind}s")
            try:
                found[name][kind] = _judged(baseline, task)
            except Impossible as reason:
                found[name][kind] = None
                reasons[f"baselines.{name}.{kind}"] = str(reason)
    return Baselines(**{name: Judged(**kinds) for name, kinds in found.items()}), reasons


def _judged(baseline: Baseline, task: Task) -> Metrics | None:
    if not task.judged:
        raise Impossible("nothing of this kind was held out")
    measured = np.array([record.latency_ms for record in task.judged])
    return metrics(baseline(task), measured)
