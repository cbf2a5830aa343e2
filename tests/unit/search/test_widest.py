from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness import tokens
from torch import Tensor

from lpnet.errors import BudgetTooSmall, LpnetError, WidthsError
from lpnet.predictor.predictor import Predictor
from lpnet.search.macs import Macs
from lpnet.space.space import Space
from lpnet.space.table import OpTable

HALF = 0.5


@pytest.fixture(scope="module")
def dense_ms(predictor: Predictor) -> float:
    return float(predictor(predictor.high))


@pytest.fixture(scope="module")
def half(predictor: Predictor, dense_ms: float) -> Tensor:
    return predictor.widest(HALF * dense_ms)


def every_aligned(space: Space, step: int) -> Iterator[list[int]]:
    """All width vectors of multiples of a step; the small network has few."""
    grids = np.meshgrid(*(np.arange(step, width.max + 1, step) for width in space.widths))
    for row in np.stack([grid.ravel() for grid in grids], -1):
        yield [int(value) for value in row]


@given(seed=st.integers(0, 2**32 - 1))
def test_macs_are_those_of_the_table(space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(1, space.dense + 1) for _ in range(4)])
    found = Macs(space.table)(torch.from_numpy(rows).double())
    assert [round(float(m)) for m in found] == [space.macs(row) for row in rows]


def test_macs_of_tokens_are_those_of_the_table() -> None:
    table = tokens.table()
    widths = np.array([tokens.DENSE, (2 * tokens.HEAD, 33, 7)], dtype=float)
    found = Macs(table)(torch.from_numpy(widths))
    assert found.tolist() == pytest.approx(table.macs(widths).tolist())
    ops = OpTable.from_ops(tokens.ops_at(*tokens.DENSE))
    assert found[0].item() == pytest.approx(float(ops.macs(np.zeros(0))))


def test_macs_have_a_gradient(space: Space) -> None:
    macs = Macs(space.table)
    dense = torch.from_numpy(space.dense.astype(np.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: macs(w) / 1e6, (dense,))


def test_widest_meets_the_budget_and_nearly_uses_it_up(
    predictor: Predictor, space: Space, dense_ms: float, half: Tensor
) -> None:
    predictor.check(half)
    assert half.dtype == torch.int64
    for widths in (half.float(), half.double()):
        assert 0.985 * HALF * dense_ms < float(predictor(widths)) <= HALF * dense_ms
    assert space.vector(half.numpy()).tolist() == half.tolist()


def test_nothing_among_all_aligned_networks_is_wider(
    predictor: Predictor, space: Space, dense_ms: float, half: Tensor
) -> None:
    rows = torch.tensor(list(every_aligned(space, 16)))
    fits = predictor(rows) <= HALF * dense_ms
    best = int(Macs(space.table)(rows[fits].double()).max())
    assert space.macs(half.numpy()) >= best


def test_widest_beats_a_uniform_shrink(
    predictor: Predictor, space: Space, dense_ms: float, half: Tensor
) -> None:
    ratios = torch.linspace(0.05, 1.0, 400, dtype=torch.float64)
    rows = (ratios[:, None] * predictor.high).round().clamp(min=predictor.low)
    fits = rows[predictor(rows) <= HALF * dense_ms]
    uniform = float(Macs(space.table)(fits).max())
    assert space.macs(half.numpy()) > 1.2 * uniform


def test_it_is_so_on_the_comb_itself(
    predictor: Predictor, dense_ms: float, half: Tensor, truth: Any
) -> None:
    assert truth(half.numpy()) == pytest.approx(HALF * dense_ms, rel=0.1)


def test_the_same_seed_gives_the_same_widths(
    predictor: Predictor, dense_ms: float, half: Tensor
) -> None:
    assert predictor.widest(HALF * dense_ms).tolist() == half.tolist()


def test_a_quick_search_is_nearly_as_good(
    predictor: Predictor, space: Space, dense_ms: float, half: Tensor
) -> None:
    quick = predictor.widest(HALF * dense_ms, thorough=False)
    assert float(predictor(quick)) <= HALF * dense_ms
    assert 0.9 * space.macs(half.numpy()) < space.macs(quick.numpy()) <= space.macs(half.numpy())


def test_all_is_kept_where_all_fits(predictor: Predictor, dense_ms: float) -> None:
    assert predictor.widest(2 * dense_ms).tolist() == predictor.high.tolist()


def test_keep_holds_every_width_up(predictor: Predictor, dense_ms: float) -> None:
    widths = predictor.widest(HALF * dense_ms, keep=0.4)
    assert bool((widths >= 0.4 * predictor.high).all())
    assert float(predictor(widths)) <= HALF * dense_ms
    with pytest.raises(BudgetTooSmall) as caught:
        predictor.widest(0.2 * dense_ms, keep=0.9)
    assert caught.value.floor_ms > 0.5 * dense_ms
    with pytest.raises(ValueError, match="keep"):
        predictor.widest(HALF * dense_ms, keep=40)


def test_below_the_floor_nothing_is_reachable(predictor: Predictor) -> None:
    reach = predictor.reachable(points=2)
    with pytest.raises(BudgetTooSmall) as caught:
        predictor.widest(0.9 * reach.floor_ms)
    assert caught.value.floor_ms == reach.floor_ms
    with pytest.raises(BudgetTooSmall):
        predictor.snap(predictor.high, 0.9 * reach.floor_ms)
    at_floor = predictor.widest(reach.floor_ms)
    assert float(predictor(at_floor.double())) == pytest.approx(reach.floor_ms, rel=1e-6)


def test_no_network_drawn_at_random_is_below_the_floor(predictor: Predictor, space: Space) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack(
        [rng.integers(1, space.dense // d + 1) for d in (1, 2, 4, 8) for _ in range(99)]
    )
    assert float(predictor(rows).min()) >= predictor.reachable(points=2).floor_ms * (1 - 1e-6)


def test_the_front_rises_from_the_floor_to_all(
    predictor: Predictor, space: Space, dense_ms: float
) -> None:
    reach = predictor.reachable(points=6)
    assert reach.dense_ms == pytest.approx(dense_ms, rel=1e-6)
    assert float(predictor(reach.floor_widths)) == pytest.approx(reach.floor_ms, rel=1e-5)
    front = reach.front
    assert len(front) == 6
    assert [front[0].budget_ms, front[-1].budget_ms] == [reach.floor_ms, reach.dense_ms]
    shares = [point.capacity for point in front]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=1e-3)
    for point in front:
        assert point.latency_ms <= point.budget_ms * (1 + 1e-9)
        assert float(predictor(point.widths)) == pytest.approx(point.latency_ms, rel=1e-5)
        assert point.macs == space.macs(point.widths)
        assert point.capacity == pytest.approx(point.macs / space.macs(space.dense))


def test_a_front_has_two_ends(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="points"):
        predictor.reachable(points=1)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.3, 1.1))
def test_what_is_left_of_a_budget_is_filled(
    predictor: Predictor, dense_ms: float, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(1, predictor.high.numpy() + 1)
    snapped = predictor.snap(torch.from_numpy(drawn).double())
    budget = share * dense_ms
    filled = predictor.fill(snapped, budget)
    assert bool((filled >= snapped).all()), "none is lowered"
    if float(predictor(snapped)) > budget:
        assert torch.equal(filled, snapped)
        return
    assert float(predictor(filled.float())) <= budget
    for place, name in enumerate(predictor.widths):
        wider = [value for value in predictor.fast_widths(name) if value > int(filled[place])]
        if wider:
            step = filled.clone()
            step[place] = wider[0]
            assert float(predictor(step.double())) > budget * (1 - 1e-4), "one more step fits"


def test_only_legal_widths_are_filled(predictor: Predictor) -> None:
    with pytest.raises(WidthsError, match="whole number"):
        predictor.fill(predictor.high - 0.5, 1.0)
    with pytest.raises(LpnetError, match="budget_ms"):
        predictor.fill(predictor.high, float("nan"))
