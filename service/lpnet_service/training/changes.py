"""How well a model predicts the effect of single cuts: what a pruner chooses by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lpnet.model.base import LatencyModel
from lpnet.schemas.report import NOISE_UNKNOWN, Cuts, GranuleChange, HeldOutCount
from lpnet_service.training.cuts import CutTable, cut_table
from lpnet_service.training.metrics import spearman
from lpnet_service.training.records import Record, RecordSet, Vector
from lpnet_service.training.trainer import Trainer

# Changes beyond the noise that a correlation needs, and cuts that a choice of the best needs.
MIN_CHANGES, BEST, MIN_CUTS = 10, 10, 20
# Of more cuts, a random part is predicted.
MAX_CUTS = 1000
# Held-out workloads of a pair: as many as leave enough changes.
_HELD_OUT: tuple[HeldOutCount, ...] = (2, 1, 0)


@dataclass(frozen=True)
class Changes:
    """Figures of a report on single cuts, and the reasons for those that are None."""

    cuts: Cuts | None = None
    granule_change: GranuleChange | None = None
    regret_pct: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


def changes(
    trainer: Trainer[Any],
    model: LatencyModel,
    training: Sequence[Record],
    test: Sequence[Record],
    seed: int,
) -> Changes:
    noise_floor_pct = model.header.noise_floor_pct
    if noise_floor_pct is None:
        return _unknown(f"the noise floor is unknown: {NOISE_UNKNOWN}")
    table = cut_table(training, test)
    exceeding = table.exceeding(table.measured, noise_floor_pct)
    for held_out in _HELD_OUT:
        chosen = table.held_out >= held_out
        if (exceeding & chosen).sum() >= MIN_CHANGES:
            part = table.part(np.flatnonzero(chosen), MAX_CUTS, seed)
            predicted = trainer.predict(model, RecordSet.of(part.workloads)).ms
            return _figures(part, held_out, predicted, noise_floor_pct)
    return _unknown(
        f"{len(table)} pairs of workloads differ in one width by a small step. The latencies of "
        f"{int(exceeding.sum())} of them differ by more than twice the noise floor; {MIN_CHANGES} "
        "are needed"
    )


def _unknown(reason: str) -> Changes:
    return Changes(reasons=dict.fromkeys(("cuts", "granule_change", "regret_pct"), reason))


def _figures(
    cuts: CutTable, held_out: HeldOutCount, predicted: Vector, noise_floor_pct: float
) -> Changes:
    regret, reason = regret_pct(cuts, predicted, noise_floor_pct)
    return Changes(
        Cuts(n=len(cuts), held_out=held_out),
        granule_change(cuts, predicted, noise_floor_pct),
        regret,
        {} if reason is None else {"regret_pct": reason},
    )


def granule_change(
    cuts: CutTable, predicted: Vector, noise_floor_pct: float
) -> GranuleChange | None:
    """From predicted latencies (W,) in ms; None without a measured change beyond the noise."""
    chosen = cuts.exceeding(cuts.measured, noise_floor_pct)
    if not chosen.any():
        return None
    predicted_change, change = (
        (cuts.saved(ms) / ms[cuts.wide])[chosen] for ms in (predicted, cuts.measured)
    )
    return GranuleChange(
        n=int(chosen.sum()),
        spearman=spearman(predicted_change, change),
        median_rel_error_pct=float(100.0 * np.median(np.abs(predicted_change / change - 1.0))),
    )


def regret_pct(
    cuts: CutTable, predicted: Vector, noise_floor_pct: float
) -> tuple[float | None, str | None]:
    """From predicted latencies (W,) in ms; or None and the reason.

    The best cuts save most ms per channel. Both those by prediction and those by measurement are
    chosen among the cuts with a predicted or measured change beyond the noise.
    """
    counted = cuts.exceeding(cuts.measured, noise_floor_pct)
    counted |= cuts.exceeding(predicted, noise_floor_pct)
    count = int(counted.sum())
    if count < MIN_CUTS:
        return None, (
            f"only {count} single cuts change the latency by more than twice the noise floor; "
            f"{MIN_CUTS} are needed"
        )
    by_prediction, by_measurement = (
        (cuts.saved(ms) / cuts.channels)[counted] for ms in (predicted, cuts.measured)
    )
    best = np.sort(by_measurement)[-BEST:].sum()
    if best <= 0:
        return None, "the best single cuts save no latency"
    chosen = by_measurement[np.argsort(-by_prediction, kind="stable")[:BEST]].sum()
    # The same cuts in another order have another sum, in the last digit.
    return max(0.0, float(100.0 * (1.0 - chosen / best))), None
