"""The results of a pruning job, as the service stores them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

import torch

from lpnet.errors import LpnetError
from lpnet.pruning.job.job import Outcome, Plan
from lpnet.pruning.predictor import JobPredictor
from lpnet.schemas.pruning import PruningResult

COVERAGE = 0.9


def results(
    outcome: Outcome,
    plan: Plan,
    predictor: JobPredictor,
    *,
    method: str,
    model: str,
    data: str,
) -> list[PruningResult]:
    """One result for each candidate that was measured, and for the chosen one.

    The ids depend on the job alone, so they can be sent again.
    """
    space = predictor.space
    rows = []
    for number, candidate in enumerate(outcome.rounds, 1):
        chosen = candidate == outcome.chosen
        if candidate.measured_ms is None and not chosen:
            continue
        rows.append(
            PruningResult(
                id=_id(outcome.job, number),
                job=outcome.job,
                round=number,
                chosen=chosen,
                target=predictor.target,
                space=space.hash,
                batch=space.batch,
                method=method,
                model=model,
                data=data,
                seed=plan.seed,
                budget_ms=outcome.budget_ms,
                dense_ms=outcome.dense_ms,
                dense_predicted_ms=outcome.dense_predicted_ms,
                predicted_ms=candidate.predicted_ms,
                **_interval(predictor, candidate.widths),
                measured_ms=candidate.measured_ms,
                accuracy_before=outcome.accuracy_before,
                accuracy_after=outcome.accuracy_after if chosen else None,
                macs_before=outcome.macs_before,
                macs_after=space.macs(candidate.widths),
                params_before=outcome.params_before,
                params_after=space.params(candidate.widths),
                widths=candidate.widths,
                epochs={"pretrain": plan.pretrain, "gate": plan.gate, "tune": plan.tune},
                seconds=outcome.seconds,
                created_at=datetime.fromisoformat(outcome.began_at),
                lpnet_version=version("lpnet"),
            )
        )
    return rows


def _id(job: str, number: int) -> str:
    return f"pruning-{hashlib.sha256(f'{job}/{number}'.encode()).hexdigest()[:24]}"


def _interval(predictor: JobPredictor, widths: Mapping[str, int]) -> dict[str, Any]:
    try:
        with torch.no_grad():
            low, high = predictor.interval(widths, COVERAGE)
    except LpnetError:
        return {}
    return {"low_ms": float(low), "high_ms": float(high), "coverage": COVERAGE}
