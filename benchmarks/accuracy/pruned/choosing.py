"""Networks that are chosen by optimising the predictor itself, as pruners do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from benchmarks.accuracy.pruned.cache import Choice
from benchmarks.accuracy.pruned.parts import Part, Spaces, network_item
from lpnet.errors import BudgetTooSmall
from lpnet.predictor.predictor import Predictor
from lpnet.progress import Progress
from lpnet.search.reachable import FrontPoint

# The two-sided interval whose upper end is that of 95%.
UPPER_COVERAGE = 0.9
# Narrower widths were hardly measured.
_KEEP = 0.1
_DESCENTS = 2
_STEPS = 150
_RATE = 0.1
_PENALTY = 10.0
_FRONT_POINTS = 10


def choose(
    predictor: Predictor, network: str, budgets: Sequence[float], seed: int, progress: Progress
) -> list[Choice]:
    """Networks at these shares of the predicted dense latency, each by every method, without
    repetition.

    `widest`: the search for the most MACs within the budget. `front`: the points of `reachable`
    between the smallest and the largest budget. `gradient`: gradient descent on the predicted
    latency, with weights of the widths drawn at random as a stand-in for their importance, then
    the nearest fast widths within the budget.
    """
    with torch.no_grad():
        dense_ms = float(predictor(predictor.high))
    choices: dict[tuple[int, ...], Choice] = {}
    candidates = _candidates(predictor, dense_ms, budgets, seed)
    total = len(budgets) * (1 + _DESCENTS) + 1
    for done, (method, share, widths) in enumerate(candidates):
        progress(f"choosing networks of {network}", min(done, total - 1), total)
        choice = _choice(predictor, network, method, share, widths)
        choices.setdefault(tuple(choice.widths.values()), choice)
    progress(f"choosing networks of {network}", total, total)
    return list(choices.values())


def chosen_parts(choices: Sequence[Choice], spaces: Spaces) -> list[Part]:
    parts = []
    for network in dict.fromkeys(choice.network for choice in choices):
        space = spaces(network)
        items = tuple(
            network_item(space, space.vector(choice.widths), "pruned")
            for choice in choices
            if choice.network == network
        )
        parts.append(Part("chosen", network, items))
    return parts


def _candidates(
    predictor: Predictor, dense_ms: float, budgets: Sequence[float], seed: int
) -> Iterator[tuple[str, float, Tensor]]:
    rng = np.random.default_rng(seed)
    for share in budgets:
        with suppress(BudgetTooSmall):
            widest = predictor.widest(share * dense_ms, keep=_KEEP, seed=seed)
            yield "widest", share, widest
        for _ in range(_DESCENTS):
            with suppress(BudgetTooSmall):
                yield "gradient", share, descend(predictor, share * dense_ms, rng)
    for point in _front(predictor, dense_ms, budgets):
        yield "front", point.budget_ms / dense_ms, torch.tensor(list(point.widths.values()))


def _front(
    predictor: Predictor, dense_ms: float, budgets: Sequence[float]
) -> Iterator[FrontPoint]:
    for point in predictor.reachable(_FRONT_POINTS, keep=_KEEP).front:
        if min(budgets) <= point.latency_ms / dense_ms <= max(budgets):
            yield point


def descend(predictor: Predictor, budget_ms: float, rng: np.random.Generator) -> Tensor:
    """Widths (L,) int64 within the budget, by gradient descent on the predicted latency.

    Maximises the weighted mean of the log widths under the budget, by the augmented Lagrangian
    method. Raises BudgetTooSmall.
    """
    low = torch.maximum(predictor.low, _KEEP * predictor.high)
    weights = torch.from_numpy(rng.lognormal(0.0, 1.0, len(low)))
    weights /= weights.sum()
    start = torch.from_numpy(rng.uniform(-0.5, 1.5, len(low)))
    free = start.requires_grad_()
    optimiser = torch.optim.Adam([free], lr=_RATE)
    multiplier = 1.0
    for step in range(_STEPS):
        optimiser.param_groups[0]["lr"] = _RATE * (1 + math.cos(math.pi * step / _STEPS)) / 2
        widths = low + (predictor.high - low) * torch.sigmoid(free)
        over = predictor(widths).log() - math.log(budget_ms)
        force = (multiplier + _PENALTY * over).clamp(min=0.0)
        loss = force.square() / (2 * _PENALTY) - (weights * widths.log()).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        multiplier = float(force.detach())
    return predictor.snap(widths.detach(), budget_ms)


def _choice(
    predictor: Predictor, network: str, method: str, share: float, widths: Tensor
) -> Choice:
    with torch.no_grad():
        predicted = predictor(widths.double())
        _, upper = predictor.interval(widths.double(), UPPER_COVERAGE)
    return Choice(
        network=network,
        method=method,
        budget_share=share,
        widths=predictor.space.named(widths.tolist()),
        predicted_ms=float(predicted),
        upper_ms=float(upper),
    )
