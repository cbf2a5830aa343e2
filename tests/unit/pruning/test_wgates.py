"""W-Gates under a budget and under a fixed strength, on a latency that is a comb."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lpnet import zoo
from lpnet.errors import BudgetTooSmall, LpnetError, SpaceError
from lpnet.predictor.predictor import Predictor
from lpnet.pruning import BudgetPressure, FixedPressure, WGates, recalibrate
from lpnet.space.space import Space


def trained(model: nn.Module, gates: WGates, steps: int = 150) -> None:
    """A task in miniature: give the answers that another network gives."""
    torch.manual_seed(3)
    pictures = torch.randn(16, 3, 64, 64)
    answers = torch.randint(0, 10, (16,))
    optimiser = torch.optim.Adam(
        [{"params": model.parameters(), "lr": 1e-3}, {"params": gates.parameters(), "lr": 5e-3}]
    )
    for _ in range(steps):
        task = nn.functional.cross_entropy(model(pictures), answers)
        optimiser.zero_grad()
        loss = task + gates.latency_loss()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


@pytest.mark.parametrize("share", [pytest.param(0.8, marks=pytest.mark.slow), 0.5])
def test_a_budget_is_met_by_training_and_kept_by_finishing(
    model: nn.Module, space: Space, predictor: Predictor, share: float
) -> None:
    with torch.no_grad():
        dense_ms = float(predictor(predictor.high))
    gates = WGates(model, space, predictor, budget_ms=share * dense_ms, ramp=100)
    assert gates.latency_ms() == pytest.approx(dense_ms)
    trained(model, gates)
    assert gates.latency_ms() == pytest.approx(share * dense_ms, rel=0.15)
    small = gates.finish()
    widths = gates.widths()
    with torch.no_grad():
        # Its few widths move in steps of 16 channels.
        assert 0.88 <= float(predictor(widths)) / (share * dense_ms) <= 1 + 1e-6
        pictures = torch.randn(3, 3, 64, 64)
        model.eval(), small.eval()
        torch.testing.assert_close(small(pictures), model(pictures), rtol=1e-4, atol=1e-5)
    pruned = Space.from_model(small, torch.randn(1, 3, 64, 64))
    assert [width.max for width in pruned.widths] == list(widths.values())
    assert not any(module._forward_hooks for module in small.modules())


def test_the_upper_end_of_the_interval_can_be_what_meets_it(
    model: nn.Module, space: Space, predictor: Predictor
) -> None:
    with torch.no_grad():
        dense_ms = float(predictor(predictor.high))
    gates = WGates(model, space, predictor, budget_ms=0.7 * dense_ms, upper=0.9)
    widths = gates.choose()
    with torch.no_grad():
        _, high = predictor.interval(widths, 0.8)
        assert float(high) <= 0.7 * dense_ms * (1 + 1e-3)
        assert float(predictor(widths)) < 0.7 * dense_ms


@pytest.mark.parametrize("form", ["relative", "paper"])
def test_a_fixed_strength_presses_harder_the_larger_it_is(
    model: nn.Module, space: Space, predictor: Predictor, form: str
) -> None:
    found = []
    for alpha in (0.0, 20.0):
        gates = WGates(model, space, predictor, alpha=alpha, form=form)  # type: ignore[arg-type]
        trained(model, gates, steps=30)
        found.append(gates.latency_ms())
        gates.remove()
    assert found[1] < found[0]


def test_a_budget_out_of_reach_is_refused_before_training(
    model: nn.Module, space: Space, predictor: Predictor
) -> None:
    floor = predictor.reachable(points=2)
    with pytest.raises(BudgetTooSmall, match="of dense, held up by") as caught:
        WGates(model, space, predictor, budget_ms=0.5 * floor.floor_ms)
    assert caught.value.floor_ms == pytest.approx(floor.floor_ms)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either budget_ms or alpha"),
        ({"budget_ms": 1.0, "alpha": 1.0}, "either budget_ms or alpha"),
        ({"alpha": 1.0, "upper": 0.9}, "upper needs a budget_ms"),
        ({"budget_ms": 1.0, "upper": 1.0}, "upper must be between 0.5 and 1, got 1.0"),
        ({"alpha": -1.0}, "alpha must be"),
        ({"alpha": float("nan")}, "alpha must be"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    model: nn.Module, space: Space, predictor: Predictor, arguments: dict[str, float], words: str
) -> None:
    with pytest.raises(LpnetError, match=words):
        WGates(model, space, predictor, **arguments)  # type: ignore[arg-type]


def test_a_predictor_of_another_space_is_refused(model: nn.Module, predictor: Predictor) -> None:
    with pytest.raises(LpnetError, match="for another space"):
        WGates(model, zoo.space("resnet20"), predictor, alpha=1.0)


def test_a_model_of_another_space_is_refused(space: Space, predictor: Predictor) -> None:
    with pytest.raises((SpaceError, AttributeError)):
        WGates(zoo.model("resnet20"), space, predictor, alpha=1.0)


def test_state_is_saved_and_goes_on_as_if_nothing_had_happened(
    space: Space, predictor: Predictor, model: nn.Module
) -> None:
    with torch.no_grad():
        budget = 0.6 * float(predictor(predictor.high))
    gates = WGates(model, space, predictor, budget_ms=budget)
    trained(model, gates, steps=5)
    saved = gates.state_dict()
    assert float(saved["pressure.multiplier"]) > 0
    again = WGates(model, space, predictor, budget_ms=budget)
    again.load_state_dict(saved)
    assert again.widths() == gates.widths()


def test_the_pressure_of_a_budget_grows_above_it_and_fades_below_it() -> None:
    pressure = BudgetPressure(2.0, start_ms=8.0, ramp=2)
    assert float(pressure.current_budget_ms) == 8.0
    pressure(torch.tensor(3.0))
    assert float(pressure.current_budget_ms) == pytest.approx(4.0)
    assert float(pressure.multiplier) == 0.0, "the budget of the moment is met"
    for _ in range(10):
        pressure(torch.tensor(3.0))
    assert float(pressure.current_budget_ms) == pytest.approx(2.0)
    grown = float(pressure.multiplier)
    assert grown > 0
    pressure.eval()
    assert float(pressure(torch.tensor(3.0))) == pytest.approx((grown + 10 * 0.5) * 0.5)
    assert float(pressure.multiplier) == grown, "it moves in training only"
    pressure.train()
    latency = torch.tensor(1.9, requires_grad=True)
    pressure(latency).backward()
    assert float(latency.grad or 0) == 0.0, "who meets the budget pays nothing"
    assert 0 < float(pressure.multiplier) < grown


@pytest.mark.parametrize(
    ("pressure", "expected"),
    [
        (lambda: FixedPressure(2.0, 4.0), 2 * 0.4054651),
        (lambda: FixedPressure(2.0, 4.0, "paper"), 2 * 1.0986123),
    ],
)
def test_the_fixed_term_is_that_of_the_paper(
    pressure: Callable[[], nn.Module], expected: float
) -> None:
    assert float(pressure()(torch.tensor(2.0))) == pytest.approx(expected)


def test_recalibration_replaces_statistics_and_nothing_else() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=0.3)
    model = nn.Sequential(conv, norm, nn.Dropout(0.5)).eval()
    before = {name: value.clone() for name, value in model.named_parameters()}
    batches = [torch.randn(8, 3, 5, 5) * 3 + 1 for _ in range(4)]
    assert recalibrate(model, batches) == 4
    with torch.no_grad():
        seen = conv(torch.cat(batches))
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_var, seen.var((0, 2, 3)), rtol=0.05, atol=0.05)
    assert norm.momentum == 0.3
    assert not any(module.training for module in model.modules())
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name])
    mean = norm.running_mean.clone()
    assert recalibrate(model, []) == 0
    assert torch.equal(norm.running_mean, mean)
