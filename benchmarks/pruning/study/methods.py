"""The methods: each takes a trained network to a smaller one of a measured latency."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from benchmarks.pruning.study.bench import Bench
from benchmarks.pruning.study.stand_ins import Flops, WidthMLP
from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.predictor.predictor import Predictor
from lpnet.pruning.job.images import Labelled
from lpnet.pruning.job.job import ROUNDS
from lpnet.pruning.job.training import accuracy
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.methods.magnitude import Magnitude
from lpnet.pruning.methods.wgates import WGates

Widths = dict[str, int]
# Halvings of a ratio; of a penalty, where each takes a training.
_HALVINGS, _PENALTIES = 6, 3
# NetAdapt: latency that a step takes off, cuts that are looked at, pictures that judge them.
_STEP, _CUTS, _GRAIN, _JUDGES = 0.1, (0.25, 0.5), 8, 1_000


@dataclass
class Found:
    """A small network, not yet tuned, and its widths."""

    small: nn.Module
    widths: Widths
    predicted_ms: float | None = None


def wgates(bench: Bench, predictor: Predictor | WidthMLP) -> Found:
    """Gates under the budget; the candidate is measured, fed back, and chosen again."""
    model = bench.model()
    ramp = bench.steps("gate") // 2
    method = WGates(model, bench.space, predictor, budget_ms=bench.budget_ms, ramp=ramp)
    bench.train("gate", model, method)
    asked, widths, predicted = _fed_back(bench, method, predictor)
    method.choose(asked)
    small = method.finish()
    method.remove()
    return Found(bench.recalibrated(small), widths, predicted)


def magnitude(bench: Bench, predictor: Predictor) -> Found:
    """Widths by projected gradient on the predictor, fed back the same way; largest filters."""
    method = Magnitude(bench.start, bench.space, predictor, budget_ms=bench.budget_ms)
    _, widths, predicted = _fed_back(bench, method, predictor)
    return _trained(bench, Found(bench.cut(widths), widths, predicted))


def wgates_flops(bench: Bench, step: int) -> Found:
    """Gates under a budget of MACs, rounded; the budget is found by bisection on the measured
    latency, a training of the gates each time."""
    flops = Flops(bench.space, step)
    dense, least = float(flops(flops.high)), float(flops(flops.low))
    trained: list[tuple[float, Found]] = []

    def attempt(share: float) -> float:
        model = bench.model()
        method = WGates(
            model,
            bench.space,
            flops,  # type: ignore[arg-type]
            budget_ms=max(share * dense, 1.001 * least),
            ramp=bench.steps("gate") // 2,
        )
        bench.train("gate", model, method)
        widths = method.choose()
        ms = bench.tried(widths, macs_share=share)
        small = method.finish()
        method.remove()
        trained.append((ms, Found(bench.recalibrated(small), widths)))
        return ms

    _bisected(bench, attempt, _PENALTIES)
    return _closest(bench, trained)


def torch_pruning(bench: Bench, step: int) -> Found:
    """Torch-Pruning's magnitude pruner as its users call it; its ratio found by bisection."""
    pruned: list[tuple[float, Found]] = []

    def attempt(share: float) -> float:
        model = bench.model()
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        tp.pruner.MagnitudePruner(
            model,
            torch.zeros(1, *bench.space.input_shape),
            importance=tp.importance.MagnitudeImportance(p=2),
            pruning_ratio=1 - share,
            round_to=step,
            ignored_layers=[last],
        ).step()
        widths = _widths_of(bench, model)
        ms = bench.tried(widths, kept_share=share)
        pruned.append((ms, Found(bench.recalibrated(model), widths)))
        return ms

    _bisected(bench, attempt, _HALVINGS)
    return _trained(bench, _closest(bench, pruned))


def uniform(bench: Bench, step: int) -> Found:
    """Every width times one ratio, rounded to a multiple; the ratio found by bisection."""
    cut: list[tuple[float, Widths]] = []

    def attempt(share: float) -> float:
        widths = {}
        for width in bench.space.widths:
            grain = math.lcm(step, width.granule)
            kept = max(grain, round(share * width.max / grain) * grain)
            widths[width.name] = min(width.max, kept)
        ms = bench.tried(widths, kept_share=share)
        cut.append((ms, widths))
        return ms

    _bisected(bench, attempt, _HALVINGS)
    widths = _closest(bench, cut)
    return _trained(bench, Found(bench.cut(widths), widths))


def netadapt(bench: Bench) -> Found:
    """After NetAdapt (Yang et al., arXiv 1804.03230): step by step, of all widths cut so far that
    the measured latency falls by a tenth, the one that costs the least accuracy. Unlike there, a
    proposal is judged after recalibration, not after a short training."""
    names = [width.name for width in bench.space.widths]
    widths = bench.space.named(bench.space.dense)
    ms = bench.device.one(widths)
    while not bench.within(ms):
        goal = max(bench.budget_ms, (1 - _STEP) * ms)
        asked = [cut for name in names for cut in _cuts(bench, widths, name)]
        measured = bench.device.measure(asked)
        best: dict[str, tuple[float, Widths]] = {}
        for cut, found in zip(asked, measured, strict=True):
            (name,) = [name for name in names if cut[name] != widths[name]]
            if found <= goal * 1.02 and (name not in best or cut[name] > best[name][1][name]):
                best[name] = (found, cut)
        if not best:  # no single cut takes that much off: the one that takes most
            found, cut = min(zip(measured, asked, strict=True), key=lambda pair: pair[0])
            if found >= ms:
                raise LpnetError(
                    f"no cut is faster than {ms:.4g} ms: NetAdapt ends above the budget"
                )
            best["the fastest"] = (found, cut)
        judged = [(_judged(bench, cut), found, cut) for found, cut in best.values()]
        share, ms, widths = max(judged, key=lambda one: one[0])
        bench.say(f"  {ms:.4f} ms, {100 * share:.1f}% right of {len(judged)} proposals")
    bench.tried(widths)
    return _trained(bench, Found(bench.cut(widths), widths))


def method_of(
    name: str, lpnet: Predictor, mlp: Callable[[], WidthMLP]
) -> Callable[[Bench], Found]:
    """The method of that name, of METHODS."""
    made: dict[str, Callable[[Bench], Found]] = {
        "wgates": lambda bench: wgates(bench, lpnet),
        "magnitude": lambda bench: magnitude(bench, lpnet),
        "wgates-mlp": lambda bench: wgates(bench, mlp()),
        "wgates-flops8": lambda bench: wgates_flops(bench, 8),
        "wgates-flops16": lambda bench: wgates_flops(bench, 16),
        "torch-pruning8": lambda bench: torch_pruning(bench, 8),
        "torch-pruning16": lambda bench: torch_pruning(bench, 16),
        "uniform": lambda bench: uniform(bench, 1),
        "uniform8": lambda bench: uniform(bench, 8),
        "netadapt": netadapt,
    }
    return made[name]


def _trained(bench: Bench, found: Found) -> Found:
    """The epochs that others spend with gates are spent on the small network."""
    bench.train("gate", found.small)
    return found


def _fed_back(bench: Bench, method: PruningMethod, predictor: Any) -> tuple[float, Widths, float]:
    """As in `lpnet prune`: asked budget, widths and prediction of the best of three rounds."""
    asked, rounds = bench.budget_ms, list[tuple[float, float, Widths, float]]()
    for _ in range(ROUNDS):
        try:
            widths = method.choose(asked)
        except BudgetTooSmall:
            if not rounds:
                raise
            break
        with torch.no_grad():
            predicted = float(predictor(widths))
        ms = bench.tried(widths, asked_ms=asked, predicted_ms=predicted)
        rounds.append((ms, asked, widths, predicted))
        if bench.enough(ms):
            break
        asked *= bench.budget_ms / ms
    _, asked, widths, predicted = _closest_row(bench, rounds)
    return asked, widths, predicted


def _bisected(bench: Bench, attempt: Callable[[float], float], most: int) -> None:
    """Shares between nothing and all, each between the last too slow and the last too fast one;
    where latency says how far it is, there rather than in the middle."""
    low, high, share = 0.05, 1.0, bench.cell.share
    for _ in range(most):
        ms = attempt(share)
        if bench.enough(ms):
            return
        if bench.within(ms):
            low = share
        else:
            high = share
        guess = share * (bench.budget_ms / ms)
        share = guess if low < guess < high else (low + high) / 2


def _closest(bench: Bench, found: list[tuple[float, Any]]) -> Any:
    return _closest_row(bench, found)[1]


def _closest_row(bench: Bench, rows: list[Any]) -> Any:
    """The one closest to the budget, those within it first."""
    return min(rows, key=lambda row: (not bench.within(row[0]), abs(row[0] - bench.budget_ms)))


def _widths_of(bench: Bench, model: nn.Module) -> Widths:
    """The widths of a network that somebody else pruned."""
    found = {}
    for width in bench.space.widths:
        layer = model.get_submodule(width.name)
        found[width.name] = int(layer.weight.shape[0])
    if bench.space.params(found) != _params(bench, model):
        raise LpnetError(f"these are not the widths of the network: {found}")
    return found


def _params(bench: Bench, model: nn.Module) -> int:
    """As Space.params counts: weights, and one bias per channel."""
    return sum(
        layer.weight.numel() + layer.weight.shape[0]
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    )


def _cuts(bench: Bench, widths: Widths, name: str) -> list[Widths]:
    """What a width could be cut to, in multiples of 8."""
    kept = widths[name]
    counts = {max(_GRAIN, math.floor(kept * (1 - cut) / _GRAIN) * _GRAIN) for cut in _CUTS}
    return [widths | {name: count} for count in sorted(counts) if count < kept]


def _judged(bench: Bench, widths: Widths) -> float:
    train = bench.pictures.train
    some = torch.randperm(len(train), generator=torch.Generator().manual_seed(1))[:_JUDGES]
    part = Labelled(train.pictures[some], train.labels[some])
    return accuracy(bench.cut(widths), bench.pictures, part)
