"""Magnitude pruning: the widths of the budget, the channels of the largest filters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lpnet import zoo
from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.predictor.predictor import Predictor
from lpnet.pruning import Magnitude, PruningMethod, WGates
from lpnet.space.space import Space


@pytest.fixture(scope="module")
def dense_ms(predictor: Predictor) -> float:
    with torch.no_grad():
        return float(predictor(predictor.high))


def test_the_largest_filters_stay_within_the_budget(
    model: nn.Module, space: Space, predictor: Predictor, dense_ms: float
) -> None:
    method = Magnitude(model, space, predictor, budget_ms=0.5 * dense_ms)
    assert method.widths() == space.named(space.dense)
    assert float(method.latency_loss()) == 0.0
    small = method.finish()
    widths = method.widths()
    with torch.no_grad():
        assert 0.9 * 0.5 * dense_ms < float(predictor(widths)) <= 0.5 * dense_ms * (1 + 1e-6)
    pruned = Space.from_model(small, torch.randn(1, 3, 64, 64))
    assert [width.max for width in pruned.widths] == list(widths.values())
    weight = model.get_submodule("6").weight
    assert isinstance(weight, Tensor)
    size = weight.detach().flatten(1).norm(dim=1)
    kept = method.kept()["6"]
    assert kept == sorted(size.argsort(descending=True)[: len(kept)].tolist())


@pytest.mark.parametrize("kind", [Magnitude, WGates])
def test_a_method_chooses_again_for_what_a_measurement_taught(
    model: nn.Module, space: Space, predictor: Predictor, dense_ms: float, kind: type
) -> None:
    method: PruningMethod = kind(model, space, predictor, budget_ms=0.6 * dense_ms)
    first = method.choose()
    second = method.choose(0.45 * dense_ms)
    with torch.no_grad():
        assert float(predictor(second)) <= 0.45 * dense_ms * (1 + 1e-6) < float(predictor(first))
    assert method.widths() == second
    assert method.choose() == first


def test_what_it_cannot_do_is_said_before_training(
    model: nn.Module, space: Space, predictor: Predictor
) -> None:
    with pytest.raises(BudgetTooSmall, match="held up by"):
        Magnitude(model, space, predictor, budget_ms=1e-3)
    with pytest.raises(LpnetError, match="for another space"):
        Magnitude(model, zoo.space("resnet20"), predictor, budget_ms=1.0)
