"""The report of an LPNet: judged on workloads it never saw, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lpnet.model.lpnet import LPNet
from lpnet.schemas.report import NOISE_UNKNOWN, HeldOut, Interval, Metrics, Report, TrainedOn
from lpnet_service.training.baselines import baselines
from lpnet_service.training.calibration import COVERAGES, outputs
from lpnet_service.training.metrics import metrics
from lpnet_service.training.partition import network_over_blocks
from lpnet_service.training.records import Data, Record, Vector

ASKED_PCT = 90.0
LATER = "comes with a later version"
ALIGNED = 8
_UNJUDGED = Interval(asked_pct=ASKED_PCT, covered_pct=None, mean_width_pct=None)
Widest = dict[tuple[str | None, str], int]


def report(
    lpnet: LPNet,
    training: Data,
    judged: Data | None,
    *,
    seed: int,
    progress: Callable[[float, str], None],
) -> Report:
    """How good an LPNet is on `judged` (None: nothing was held out), beside the baselines trained
    on `training`. `progress` takes the share done and what is being done."""
    reasons = {"granule_change": LATER, "regret_pct": LATER}
    progress(0.0, "judging")
    widest = _widest([*training.records, *(() if judged is None else judged.records)])
    held_out, intervals = _held_out(lpnet, judged, widest, reasons)
    if lpnet.header.noise_floor_pct is None:
        reasons["noise_floor_pct"] = NOISE_UNKNOWN
    ratio, why = network_over_blocks(lpnet, training)
    if why is not None:
        reasons["network_over_blocks"] = why
    others, missing = baselines(
        training.records,
        () if judged is None else judged.records,
        seed,
        lambda share, stage: progress(0.1 + 0.9 * share, stage),
    )
    networks = int(training.network.sum())
    return Report(
        target=lpnet.header.target,
        lpnet=None,
        epoch=lpnet.header.epoch,
        seed=seed,
        trained_on=TrainedOn(block=len(training) - networks, network=networks),
        noise_floor_pct=lpnet.header.noise_floor_pct,
        held_out=held_out,
        baselines=others,
        network_over_blocks=ratio,
        interval=intervals[ASKED_PCT],
        calibration=tuple(one for one in intervals.values() if one.covered_pct is not None),
        reasons=reasons | missing,
    )


def _held_out(
    lpnet: LPNet, judged: Data | None, widest: Widest, reasons: dict[str, str]
) -> tuple[HeldOut, Mapping[float, Interval]]:
    if judged is None:
        nothing = HeldOut(
            block=None,
            network=None,
            network_random=None,
            network_aligned=None,
            network_pruned=None,
        )
        reasons["held_out"] = "nothing was held out"
        reasons["interval.covered_pct"] = reasons["interval.mean_width_pct"] = "nothing held out"
        return nothing, {ASKED_PCT: _UNJUDGED}
    said = outputs(lpnet, judged)
    predicted = said.latency
    groups = _groups(judged, widest)
    figures: dict[str, Metrics | None] = {}
    for name, chosen in groups.items():
        figures[name] = metrics(predicted[chosen], judged.latency[chosen])
        if figures[name] is None:
            reasons[f"held_out.{name}"] = "no such workload was held out"
    return HeldOut(**figures), _intervals(lpnet, predicted, said.spread(lpnet), judged, reasons)


def _intervals(
    lpnet: LPNet, predicted: Vector, spread: Vector, judged: Data, reasons: dict[str, str]
) -> Mapping[float, Interval]:
    """By the coverage that is asked for, percent, ascending."""
    if not judged.network.any():
        why = "no network was held out"
        reasons["interval.covered_pct"] = reasons["interval.mean_width_pct"] = why
        return {ASKED_PCT: _UNJUDGED}
    error = np.abs(np.log(judged.latency[judged.network] / predicted[judged.network]))
    found = {}
    for asked in COVERAGES:
        reach = lpnet.header.calibration.quantile(asked, "network") * spread[judged.network]
        width = np.exp(reach) - np.exp(-reach)
        asked_pct = round(100.0 * asked, 6)
        found[asked_pct] = Interval(
            asked_pct=asked_pct,
            covered_pct=float(100.0 * (error <= reach).mean()),
            mean_width_pct=float(100.0 * width.mean()),
        )
    return found


def _groups(judged: Data, widest: Widest) -> dict[str, NDArray[np.bool_]]:
    """Which held-out records each figure of the report is of."""
    draws = np.array([_draw(record, widest) for record in judged.records])
    network = judged.network
    return {
        "block": ~network,
        "network": network,
        "network_random": network & (draws == "random"),
        "network_aligned": network & (draws == "aligned"),
        "network_pruned": network & (draws == "pruned"),
    }


def _draw(record: Record, widest: Widest) -> str:
    """random, aligned, pruned, or other; where nobody recorded the draw, widths tell."""
    if record.draw in ("random", "mixed"):
        return "random"
    if record.draw in ("aligned", "dense"):
        return "aligned"
    if record.draw == "pruned":
        return "pruned"
    if record.draw is not None or not record.widths:
        return "other"
    whole = (
        kept % ALIGNED == 0 or kept == widest[record.space, name]
        for name, kept in record.widths.items()
    )
    return "aligned" if all(whole) else "random"


def _widest(records: Sequence[Record]) -> Widest:
    """The most channels seen of each width of each space: its max, wherever it was measured."""
    found: Widest = {}
    for record in records:
        for name, kept in (record.widths or {}).items():
            key = (record.space, name)
            found[key] = max(kept, found.get(key, 0))
    return found
