"""Pruning methods on the worst of two devices: what they choose meets every budget."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.harness import comb
from torch import nn

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.predictor.predictor import Predictor
from lpnet.predictor.worst_case import WorstOf, worst_of
from lpnet.pruning import Magnitude, PruningMethod, WGates
from lpnet.pruning.job.images import ImageDataset, LabelledImages
from lpnet.pruning.job.job import Plan, PruneJob
from lpnet.space.space import Space


@pytest.fixture(scope="module")
def worst(space: Space, predictor: Predictor) -> WorstOf:
    other = Predictor(comb.taught_on(space, step=24), space)
    with torch.no_grad():
        budgets = [0.6 * float(predictor(predictor.high)), 0.5 * float(other(other.high))]
    return worst_of([predictor, other], budgets)


def shares(worst: WorstOf, widths: dict[str, int]) -> list[float]:
    """What each device says of widths, as a share of its own budget."""
    with torch.no_grad():
        pairs = zip(worst.predictors, worst.budgets, strict=True)
        return [float(predictor(widths)) / ms for predictor, ms in pairs]


@pytest.mark.parametrize("kind", [Magnitude, WGates])
def test_what_a_method_chooses_meets_the_budget_of_every_device(
    model: nn.Module, space: Space, worst: WorstOf, kind: type
) -> None:
    method: PruningMethod = kind(model, space, worst, budget_ms=worst.budgets[0])
    assert 0.85 < max(shares(worst, method.choose())) <= 1 + 1e-6
    assert 0.65 < max(shares(worst, method.choose(0.8 * worst.budgets[0]))) <= 0.8 * (1 + 1e-6)
    small = method.finish()
    pruned = Space.from_model(small, torch.randn(1, 3, 64, 64))
    assert [width.max for width in pruned.widths] == list(method.widths().values())


def test_the_latency_term_presses_until_every_budget_is_met(
    model: nn.Module, space: Space, worst: WorstOf
) -> None:
    gates = WGates(model, space, worst, budget_ms=worst.budgets[0], ramp=60)
    before = gates.latency_ms()
    optimiser = torch.optim.Adam(gates.parameters(), lr=5e-3)
    for _ in range(120):
        optimiser.zero_grad()
        gates.latency_loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert before > 1.5 * worst.budgets[0]
    assert gates.latency_ms() <= 1.1 * worst.budgets[0]


def test_the_upper_end_of_every_device_can_be_what_meets_it(
    model: nn.Module, space: Space, worst: WorstOf
) -> None:
    widths = WGates(model, space, worst, budget_ms=worst.budgets[0], upper=0.9).choose()
    for predictor, ms in zip(worst.predictors, worst.budgets, strict=True):
        with torch.no_grad():
            assert float(predictor.interval(widths, 0.8)[1]) <= ms * (1 + 1e-3)


@pytest.mark.parametrize("kind", [Magnitude, WGates])
def test_a_budget_that_one_device_cannot_meet_is_refused_before_training(
    model: nn.Module, space: Space, worst: WorstOf, kind: type
) -> None:
    first, second = worst.predictors
    floor = second.reachable(points=2).floor_ms
    strict = worst_of([first, second], [worst.budgets[0], 0.8 * floor])
    with pytest.raises(BudgetTooSmall, match="held up by") as caught:
        kind(model, space, strict, budget_ms=strict.budgets[0])
    assert caught.value.floor_ms > 1.2 * strict.budgets[0]


def test_a_job_is_another_one_for_other_budgets(
    model: nn.Module, space: Space, worst: WorstOf, tmp_path: Path
) -> None:
    noise = LabelledImages(torch.zeros(8, 3, 64, 64, dtype=torch.uint8), torch.arange(8))
    pictures = ImageDataset("noise", tuple("abcdefghij"), noise, noise, flip=False)
    plan = Plan(budget_ms=worst.budgets[0], pretrain=0, gate=0, tune=0)

    def started(predictor: WorstOf) -> PruneJob:
        def make(model: nn.Module, budget_ms: float) -> PruningMethod:
            return Magnitude(model, space, predictor, budget_ms=budget_ms)

        return PruneJob(model, space, predictor, pictures, plan, make, tmp_path)

    outcome = started(worst).run()
    assert max(shares(worst, outcome.chosen.widths)) <= 1 + 1e-6
    assert outcome.kept is None, "nothing was measured"
    looser = worst_of(worst.predictors, [worst.budgets[0], 1.0001 * worst.budgets[1]])
    with pytest.raises(LpnetError, match="another job"):
        started(looser)
