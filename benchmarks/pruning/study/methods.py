"""The methods: each takes a trained network to a smaller one of a measured latency."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch_pruning as tp
from torch import nn

from benchmarks.pruning.study.bench import Bench
from benchmarks.pruning.study.stand_ins import Flops, WidthMLP
from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.pruning.job.images import LabelledImages
from lpnet.pruning.job.job import ROUNDS
from lpnet.pruning.job.training import accuracy
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.methods.magnitude import Magnitude
from lpnet.pruning.methods.wgates import WGates
from lpnet.pruning.predictor import PruningPredictor

Widths = dict[str, int]
T = TypeVar("T")
# Halvings of a ratio; of a penalty, where each takes a training.
_HALVINGS, _PENALTIES = 6, 3
# NetAdapt: latency reduction per step, proposed cuts, their granule, images to rate them on.
_STEP, _CUTS, _GRAIN, _RATING_IMAGES = 0.1, (0.25, 0.5), 8, 1_000


@dataclass
class Pruned:
    """A small network before tuning, and its widths."""

    small: nn.Module
    widths: Widths
    predicted_ms: float | None = None


def wgates(bench: Bench, predictor: PruningPredictor) -> Pruned:
    """Gates under the budget; the candidate is measured, fed back, and chosen again."""
    model = bench.model()
    ramp = bench.steps("gate") // 2
    method = WGates(model, bench.space, predictor, budget_ms=bench.budget_ms, ramp=ramp)
    bench.train("gate", model, method)
    budget, widths, predicted = _fed_back(bench, method, predictor)
    method.choose(budget)
    small = method.finish()
    method.remove()
    return Pruned(bench.recalibrated(small), widths, predicted)


def magnitude(bench: Bench, predictor: PruningPredictor) -> Pruned:
    """Widths by projected gradient on the predictor, fed back the same way; largest filters."""
    method = Magnitude(bench.start, bench.space, predictor, budget_ms=bench.budget_ms)
    _, widths, predicted = _fed_back(bench, method, predictor)
    return _trained(bench, Pruned(bench.cut(widths), widths, predicted))


def wgates_flops(bench: Bench, step: int) -> Pruned:
    """Gates under a budget of MACs, rounded; the budget is found by bisection on the measured
    latency, a training of the gates each time."""
    flops = Flops(bench.space, step)
    dense, narrowest = float(flops(flops.high)), float(flops(flops.low))
    trained: list[tuple[float, Pruned]] = []

    def attempt(share: float) -> float:
        model = bench.model()
        method = WGates(
            model,
            bench.space,
            flops,
            budget_ms=max(share * dense, 1.001 * narrowest),
            ramp=bench.steps("gate") // 2,
        )
        bench.train("gate", model, method)
        widths = method.choose()
        ms = bench.tried(widths, macs_share=share)
        small = method.finish()
        method.remove()
        trained.append((ms, Pruned(bench.recalibrated(small), widths)))
        return ms

    _bisected(bench, attempt, _PENALTIES)
    return _closest(bench, trained)


def torch_pruning(bench: Bench, step: int) -> Pruned:
    """Torch-Pruning's magnitude pruner as its users call it; its ratio found by bisection."""
    pruned: list[tuple[float, Pruned]] = []

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
        pruned.append((ms, Pruned(bench.recalibrated(model), widths)))
        return ms

    _bisected(bench, attempt, _HALVINGS)
    return _trained(bench, _closest(bench, pruned))


def uniform(bench: Bench, step: int) -> Pruned:
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
    return _trained(bench, Pruned(bench.cut(widths), widths))


def netadapt(bench: Bench) -> Pruned:
    """After NetAdapt (Yang et al., arXiv 1804.03230): step by step, of all widths cut so far that
    the measured latency falls by a tenth, the one that costs the least accuracy. Unlike there, a
    proposal is judged after recalibration, not after a short training."""
    names = [width.name for width in bench.space.widths]
    widths = bench.space.named(bench.space.dense)
    ms = bench.device.measure_one(widths)
    while not bench.within(ms):
        goal = max(bench.budget_ms, (1 - _STEP) * ms)
        proposals = [cut for name in names for cut in _cuts(bench, widths, name)]
        measured = bench.device.measure(proposals)
        best: dict[str, tuple[float, Widths]] = {}
        for cut, cut_ms in zip(proposals, measured, strict=True):
            (name,) = [name for name in names if cut[name] != widths[name]]
            if cut_ms <= goal * 1.02 and (name not in best or cut[name] > best[name][1][name]):
                best[name] = (cut_ms, cut)
        if not best:  # no single cut takes that much off: use the fastest
            cut_ms, cut = min(zip(measured, proposals, strict=True), key=lambda pair: pair[0])
            if cut_ms >= ms:
                raise LpnetError(
                    f"no cut is faster than {ms:.4g} ms: NetAdapt ends above the budget"
                )
            best["the fastest"] = (cut_ms, cut)
        rated = [(_accuracy(bench, cut), cut_ms, cut) for cut_ms, cut in best.values()]
        share, ms, widths = max(rated, key=lambda row: row[0])
        bench.say(f"  {ms:.4f} ms, {100 * share:.1f}% right of {len(rated)} proposals")
    bench.tried(widths)
    return _trained(bench, Pruned(bench.cut(widths), widths))


def method_of(
    name: str, lpnet: PruningPredictor, mlp: Callable[[], WidthMLP]
) -> Callable[[Bench], Pruned]:
    """The method of that name, of METHODS."""
    methods: dict[str, Callable[[Bench], Pruned]] = {
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
    return methods[name]


def _trained(bench: Bench, pruned: Pruned) -> Pruned:
    """Trains the small network for the epochs that other methods spend with gates."""
    bench.train("gate", pruned.small)
    return pruned


def _fed_back(
    bench: Bench, method: PruningMethod, predictor: PruningPredictor
) -> tuple[float, Widths, float]:
    """As in `lpnet prune`: budget, widths and prediction of the best of three rounds."""
    budget, rounds = bench.budget_ms, list[tuple[float, tuple[float, Widths, float]]]()
    for _ in range(ROUNDS):
        try:
            widths = method.choose(budget)
        except BudgetTooSmall:
            if not rounds:
                raise
            break
        with torch.no_grad():
            predicted = float(predictor(widths))
        ms = bench.tried(widths, asked_ms=budget, predicted_ms=predicted)
        rounds.append((ms, (budget, widths, predicted)))
        if bench.enough(ms):
            break
        budget *= bench.budget_ms / ms
    return _closest(bench, rounds)


def _bisected(bench: Bench, attempt: Callable[[float], float], attempts: int) -> None:
    """Tries shares between the last that was too slow and the last that was too fast.

    The next share is scaled by the latency, if that lies in between, else it is the middle.
    """
    low, high, share = 0.05, 1.0, bench.cell.share
    for _ in range(attempts):
        ms = attempt(share)
        if bench.enough(ms):
            return
        if bench.within(ms):
            low = share
        else:
            high = share
        guess = share * (bench.budget_ms / ms)
        share = guess if low < guess < high else (low + high) / 2


def _closest(bench: Bench, attempts: list[tuple[float, T]]) -> T:
    """The attempt whose latency is closest to the budget, those within it first."""
    _, attempt = min(
        attempts, key=lambda pair: (not bench.within(pair[0]), abs(pair[0] - bench.budget_ms))
    )
    return attempt


def _widths_of(bench: Bench, model: nn.Module) -> Widths:
    """The widths of a network that another library pruned."""
    widths = {}
    for width in bench.space.widths:
        weight = model.get_submodule(width.name).weight
        assert isinstance(weight, torch.Tensor)
        widths[width.name] = int(weight.shape[0])
    if bench.space.params(widths) != _params(bench, model):
        raise LpnetError(f"these are not the widths of the network: {widths}")
    return widths


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


def _accuracy(bench: Bench, widths: Widths) -> float:
    train = bench.images.train
    sample = torch.randperm(len(train), generator=torch.Generator().manual_seed(1))[
        :_RATING_IMAGES
    ]
    part = LabelledImages(train.images[sample], train.labels[sample])
    return accuracy(bench.cut(widths), bench.images, part)
