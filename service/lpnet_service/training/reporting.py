"""The report of a latency model: its errors on held-out workloads, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.model.base import LatencyModel
from lpnet.schemas.report import NOISE_UNKNOWN, HeldOut, Interval, Metrics, Report, TrainedOn
from lpnet.schemas.workload import Kind
from lpnet_service.training.baselines import baselines
from lpnet_service.training.changes import changes
from lpnet_service.training.intervals import intervals
from lpnet_service.training.metrics import metrics
from lpnet_service.training.network_over_blocks import network_over_blocks
from lpnet_service.training.records import Record, RecordSet
from lpnet_service.training.trainer import Predictions, Trainer

REPORTED_PCT = 90.0
ALIGNED = 8
_NO_INTERVAL = Interval(asked_pct=REPORTED_PCT, covered_pct=None, mean_width_pct=None)
MaxWidths = dict[tuple[str | None, str], int]


def report(
    trainer: Trainer[Any],
    model: LatencyModel,
    training: RecordSet,
    test: RecordSet | None,
    *,
    seed: int,
    progress: Callable[[float, str], None],
) -> Report:
    """The errors of a model on `test` (None: nothing was held out), with the baselines trained on
    `training`.

    `progress` receives the completed share and the current stage.
    """
    reasons: dict[str, str] = {}
    progress(0.0, "judging")
    test_records = () if test is None else test.records
    max_widths = _max_widths([*training.records, *test_records])
    predictions = None if test is None else trainer.predict(model, test)
    held_out = _held_out(test, predictions, max_widths, reasons)
    coverages = _coverages(model, test, predictions, reasons)
    small_changes = changes(trainer, model, training.records, test_records, seed)
    reasons |= small_changes.reasons
    if model.header.noise_floor_pct is None:
        reasons["noise_floor_pct"] = NOISE_UNKNOWN
    ratio, reason = network_over_blocks(trainer, model, training)
    if reason is not None:
        reasons["network_over_blocks"] = reason
    baseline_metrics, missing = baselines(
        training.records,
        test_records,
        seed,
        lambda share, stage: progress(0.1 + 0.9 * share, stage),
    )
    networks = int(training.network.sum())
    return Report(
        target=model.header.target,
        lpnet=None,
        epoch=model.header.epoch,
        seed=seed,
        trained_on=TrainedOn(block=len(training) - networks, network=networks),
        noise_floor_pct=model.header.noise_floor_pct,
        kind=model.kind,
        candidates=model.header.candidates,
        transferred_from=model.header.transferred_from,
        held_out=held_out,
        baselines=baseline_metrics,
        cuts=small_changes.cuts,
        granule_change=small_changes.granule_change,
        regret_pct=small_changes.regret_pct,
        network_over_blocks=ratio,
        interval=coverages["network"].get(REPORTED_PCT, _NO_INTERVAL),
        interval_block=coverages["block"].get(REPORTED_PCT),
        calibration=tuple(coverages["network"].values()),
        calibration_block=tuple(coverages["block"].values()),
        reasons=reasons | missing,
    )


def _held_out(
    test: RecordSet | None,
    predictions: Predictions | None,
    max_widths: MaxWidths,
    reasons: dict[str, str],
) -> HeldOut:
    if test is None or predictions is None:
        reasons["held_out"] = "nothing was held out"
        return HeldOut(**dict.fromkeys(HeldOut.model_fields))
    figures: dict[str, Metrics | None] = {}
    for name, chosen in _groups(test, max_widths).items():
        figures[name] = metrics(predictions.ms[chosen], test.latency[chosen])
        if figures[name] is None:
            reasons[f"held_out.{name}"] = "no such workload was held out"
    return HeldOut(**figures)


def _coverages(
    model: LatencyModel,
    test: RecordSet | None,
    predictions: Predictions | None,
    reasons: dict[str, str],
) -> Mapping[Kind, Mapping[float, Interval]]:
    """Coverage of the intervals by kind and nominal coverage in percent."""
    by_kind: dict[Kind, dict[float, Interval]] = {"network": {}, "block": {}}
    if test is not None and predictions is not None:
        calibration = model.header.calibration
        by_kind = {kind: intervals(calibration, predictions, test, kind) for kind in by_kind}
    if not by_kind["network"]:
        reason = "no network was held out"
        reasons["interval.covered_pct"] = reasons["interval.mean_width_pct"] = reason
    if not by_kind["block"]:
        reasons["interval_block"] = "no block was held out"
    return by_kind


def _groups(test: RecordSet, max_widths: MaxWidths) -> dict[str, NDArray[np.bool_]]:
    draws = np.array([_draw(record, max_widths) for record in test.records])
    network = test.network
    return {
        "block": ~network,
        "network": network,
        "network_random": network & (draws == "random"),
        "network_aligned": network & (draws == "aligned"),
        "network_pruned": network & (draws == "pruned"),
    }


def _draw(record: Record, max_widths: MaxWidths) -> str:
    """random, aligned, pruned, or other; inferred from the widths if it was not recorded."""
    if record.draw in ("random", "mixed"):
        return "random"
    if record.draw in ("aligned", "dense"):
        return "aligned"
    if record.draw == "pruned":
        return "pruned"
    if record.draw is not None or not record.widths:
        return "other"
    aligned = (
        kept % ALIGNED == 0 or kept == max_widths[record.space, name]
        for name, kept in record.widths.items()
    )
    return "aligned" if all(aligned) else "random"


def _max_widths(records: Sequence[Record]) -> MaxWidths:
    """The largest measured value of each width of each space, used in place of its maximum."""
    widths: MaxWidths = {}
    for record in records:
        for name, kept in (record.widths or {}).items():
            key = (record.space, name)
            widths[key] = max(kept, widths.get(key, 0))
    return widths
