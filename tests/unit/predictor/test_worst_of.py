"""One predictor of two devices whose combs have teeth at different channels."""

from __future__ import annotations

import copy
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness import comb
from torch import Tensor

import lpnet
from lpnet.errors import BudgetTooSmall, LpnetError, NotCovered, WidthsError
from lpnet.predictor.predictor import Predictor
from lpnet.predictor.worst_case import WorstOf, worst_of
from lpnet.search.macs import Macs
from lpnet.space.space import Space

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def other(space: Space) -> Predictor:
    """Of a device whose latency steps every 24 channels."""
    return Predictor(comb.taught_on(space, step=24), space)


@pytest.fixture(scope="module")
def worst(predictor: Predictor, other: Predictor) -> WorstOf:
    """Half of what each takes when dense, and a little less for the second."""
    return worst_of([predictor, other], [0.5 * dense_ms(predictor), 0.45 * dense_ms(other)])


def dense_ms(predictor: Predictor) -> float:
    return float(predictor(predictor.high))


def drawn(predictor: Predictor | WorstOf, seed: int, count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(count, len(predictor.widths), generator=generator, dtype=torch.float64)
    return predictor.low + (predictor.high - predictor.low) * share


def shares(worst: WorstOf, widths: Tensor) -> list[float]:
    """Of its own budget, what each device says of widths (L,)."""
    pairs = zip(worst.predictors, worst.budgets, strict=True)
    return [float(predictor(widths.double())) / ms for predictor, ms in pairs]


@given(seed=seeds)
def test_it_is_the_most_by_budget_in_ms_of_the_first(worst: WorstOf, seed: int) -> None:
    rows = drawn(worst, seed)
    first, second = worst.predictors
    scale = worst.budgets[0] / worst.budgets[1]
    for name in ("forward", "envelope"):
        one, two = (getattr(predictor, name)(rows) for predictor in (first, second))
        expected = torch.maximum(one, scale * two)
        torch.testing.assert_close(getattr(worst, name)(rows), expected, rtol=1e-12, atol=0)
    ends = zip(first.interval(rows, 0.8), second.interval(rows, 0.8), strict=True)
    for found, (one, two) in zip(worst.interval(rows, 0.8), ends, strict=True):
        torch.testing.assert_close(found, torch.maximum(one, scale * two), rtol=1e-12, atol=0)


def test_now_one_and_now_the_other_is_the_worst(worst: WorstOf) -> None:
    rows = drawn(worst, 0, 50)
    of_first = worst.predictors[0](rows) == worst(rows)
    assert 0 < int(of_first.sum()) < len(rows)


@given(seed=seeds)
def test_its_gradient_is_that_of_the_worst(worst: WorstOf, seed: int) -> None:
    rows = drawn(worst, seed).requires_grad_()
    (found,) = torch.autograd.grad(worst(rows).sum(), rows)
    scale = worst.budgets[0] / worst.budgets[1]
    ms = [worst.predictors[0](rows), scale * worst.predictors[1](rows)]
    first, second = (torch.autograd.grad(part.sum(), rows)[0] for part in ms)
    expected = torch.where((ms[0] > ms[1])[:, None], first, second)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_where_two_are_the_worst_its_gradient_is_their_mean(predictor: Predictor) -> None:
    twice = worst_of([predictor, predictor], [1.0, 1.0])
    widths = drawn(predictor, 3)[0].requires_grad_()
    (found,) = torch.autograd.grad(twice(widths), widths)
    (expected,) = torch.autograd.grad(predictor(widths), widths)
    torch.testing.assert_close(found, expected)


@given(low=seeds, further=seeds)
def test_its_envelope_never_falls_in_any_width(worst: WorstOf, low: int, further: int) -> None:
    small = drawn(worst, low, 1)[0]
    large = torch.maximum(small, drawn(worst, further, 1)[0])
    steps = torch.where(torch.eye(len(small), dtype=torch.bool), large, small)
    ms = worst.envelope(torch.cat((small[None], steps, large[None])))
    assert bool((ms[1:] >= ms[0] - 1e-12).all())
    assert bool((ms[-1] >= ms - 1e-12).all())


def test_of_one_predictor_it_is_that_predictor(predictor: Predictor) -> None:
    one = worst_of([predictor], [7.0])
    rows, budget = drawn(predictor, 5), 0.5 * dense_ms(predictor)
    assert torch.equal(one(rows), predictor(rows))
    assert torch.equal(one.envelope(rows), predictor.envelope(rows))
    for found, expected in zip(one.interval(rows), predictor.interval(rows), strict=True):
        assert torch.equal(found, expected)
    for name in predictor.widths:
        assert one.fast_widths(name) == predictor.fast_widths(name)
        assert one.fast_widths(name, rows[0]) == predictor.fast_widths(name, rows[0])
    assert torch.equal(one.snap(rows), predictor.snap(rows))
    assert torch.equal(one.snap(rows, budget), predictor.snap(rows, budget))
    assert torch.equal(one.widest(budget), predictor.widest(budget))
    assert one.reachable(points=3) == predictor.reachable(points=3)


def test_a_width_is_fast_that_no_larger_one_beats_by_the_worst(worst: WorstOf) -> None:
    at = torch.tensor([24.0, 72.0, 48.0, 96.0, 112.0])
    for place, name in enumerate(worst.widths):
        values = torch.arange(1, int(worst.high[place]) + 1)
        rows = at.double().repeat(len(values), 1)
        rows[:, place] = values.double()
        ms = worst(rows).tolist()
        expected = [
            int(value)
            for value in values
            if all(ms[value - 1] < later for later in ms[int(value) :])
        ]
        assert worst.fast_widths(name, at) == expected


def test_the_changes_that_a_search_goes_by_are_exact(worst: WorstOf) -> None:
    base, values = drawn(worst, 8, 2).round().clamp(min=1)
    indices = torch.arange(len(base))
    rows = torch.where(torch.eye(len(base), dtype=torch.bool), values, base)
    found = worst._pricer.changes(base, indices, values)
    torch.testing.assert_close(found, worst(rows) - worst(base), rtol=1e-9, atol=1e-12)


def every_aligned(space: Space, steps: tuple[int, ...]) -> Tensor:
    """All width vectors (N, L) of multiples of any of the steps; the small network has few."""
    grids = [
        np.unique(np.concatenate([np.arange(step, width.max + 1, step) for step in steps]))
        for width in space.widths
    ]
    return torch.from_numpy(np.stack([grid.ravel() for grid in np.meshgrid(*grids)], -1))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (0.5, 0.45),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((0.3, 0.8), (0.8, 0.3))),
        pytest.param(0.6, 0.6, marks=pytest.mark.slow),
    ],
)
def test_widest_is_within_every_budget_and_nothing_aligned_is_wider(
    predictor: Predictor, other: Predictor, space: Space, first: float, second: float
) -> None:
    budgets = [first * dense_ms(predictor), second * dense_ms(other)]
    worst = worst_of([predictor, other], budgets)
    widths = worst.widest(budgets[0])
    worst.check(widths)
    for one, ms in zip((predictor, other), budgets, strict=True):
        assert float(one(widths.double())) <= ms
        assert float(one(widths.float())) <= ms
    rows = every_aligned(space, (16, 24))
    fits = (predictor(rows) <= budgets[0]) & (other(rows) <= budgets[1])
    best = float(Macs(space.table)(rows[fits].double()).max())
    assert space.macs(widths.numpy()) >= 0.98 * best


def test_no_width_can_go_one_rung_up(worst: WorstOf) -> None:
    widths = worst.widest(worst.budgets[0])
    higher = []
    for place, name in enumerate(worst.widths):
        rungs = {k for part in worst.predictors for k in part.fast_widths(name)}
        above = [k for k in sorted(rungs) if k > int(widths[place])]
        if above:
            row = widths.clone()
            row[place] = above[0]
            higher.append(row)
    assert higher
    assert all(max(shares(worst, row)) > 1 - 1e-4 for row in higher)


def test_another_budget_scales_every_budget(worst: WorstOf) -> None:
    for found in (
        worst.widest(0.8 * worst.budgets[0]),
        worst.snap(worst.high, 0.8 * worst.budgets[0]),
    ):
        assert 0.75 < max(shares(worst, found)) <= 0.8


def test_snap_moves_little_and_stays_within_every_budget(worst: WorstOf, space: Space) -> None:
    widths = worst.high - 5
    found = worst.snap(widths, worst.budgets[0])
    worst.check(found)
    assert max(shares(worst, found)) <= 1
    rows = every_aligned(space, (16, 24))
    fits = rows[worst(rows) <= worst.budgets[0]]
    ratio = torch.linspace(0.05, 1, 300, dtype=torch.float64)[:, None]
    for step in (16, 24):
        uniform = (ratio * worst.high / step).round().clamp(min=1) * step
        fits = torch.cat((fits, uniform.minimum(worst.high).long()))
        fits = fits[worst(fits) <= worst.budgets[0]]
    moved = (fits.double() / widths).log().abs().sum(-1)
    assert float((found.double() / widths).log().abs().sum()) <= 1.1 * float(moved.min())


def test_without_a_budget_it_snaps_to_fast_widths(worst: WorstOf) -> None:
    found = worst.snap(worst.high * 0.6)
    for name, value in zip(worst.widths, found.tolist(), strict=True):
        assert value in worst.fast_widths(name)


def test_below_the_floor_nothing_is_reachable(worst: WorstOf) -> None:
    reach = worst.reachable(points=4)
    assert reach.floor_ms == pytest.approx(float(worst(reach.floor_widths)))
    for part, ms in zip(worst.predictors, worst.budgets, strict=True):
        own = part.reachable(points=2).floor_ms * worst.budgets[0] / ms
        assert reach.floor_ms >= own * (1 - 1e-9)
    for search in (worst.widest, lambda ms: worst.snap(worst.high, ms)):
        with pytest.raises(BudgetTooSmall) as caught:
            search(0.9 * reach.floor_ms)
        assert caught.value.floor_ms == reach.floor_ms
    capacities = [point.capacity for point in reach.front]
    assert all(small <= large for small, large in pairwise(capacities))
    assert all(point.latency_ms <= point.budget_ms * (1 + 1e-9) for point in reach.front)


def test_what_one_device_cannot_reach_all_cannot(predictor: Predictor, other: Predictor) -> None:
    floor = other.reachable(points=2).floor_ms
    worst = worst_of([predictor, other], [dense_ms(predictor), 0.9 * floor])
    with pytest.raises(BudgetTooSmall) as caught:
        worst.widest(worst.budgets[0])
    assert caught.value.floor_ms >= dense_ms(predictor) / 0.9 * (1 - 1e-9)


def test_it_is_a_torch_module_like_any_predictor(worst: WorstOf) -> None:
    rows = drawn(worst, 1)
    torch.testing.assert_close(torch.func.vmap(worst)(rows), worst(rows))
    worst.envelope(rows)
    for method in (worst, worst.envelope):
        compiled = torch.compile(method, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(rows), method(rows))
    assert worst(rows.float()).dtype == torch.float32
    assert not list(worst.parameters())
    assert not worst.state_dict()
    rows[1, 2] = torch.nan
    with pytest.raises(WidthsError, match=rf"{worst.widths[2]}.*row 1"):
        worst(rows)
    assert torch.func.vmap(worst)(rows).isnan().tolist() == [False, True, False, False]


def test_it_is_made_again_when_it_moves(worst: WorstOf) -> None:
    moved, rows = copy.deepcopy(worst), drawn(worst, 2)
    before = moved.envelope(rows), moved.widest(worst.budgets[0])
    moved.to("meta")
    assert {part.low.device.type for part in (moved, *moved.predictors)} == {"meta"}
    assert "_pricer" not in vars(moved)
    assert torch.equal(before[0], worst.envelope(rows))
    assert torch.equal(before[1], worst.widest(worst.budgets[0]))


def test_it_says_of_what_it_is(worst: WorstOf, space: Space) -> None:
    assert (worst.space, worst.batch, worst.kind) == (space, 1, "network")
    assert worst.target.startswith("worst of comb16 (")
    larger = worst.at(4)
    assert (larger.batch, larger.budgets) == (4, worst.budgets)
    assert [part.batch for part in larger.predictors] == [4, 4]
    with pytest.raises(NotCovered):
        worst.at(3)


def test_its_fingerprint_is_of_all_lpnets_and_of_the_budgets(
    predictor: Predictor, other: Predictor
) -> None:
    made = [
        worst_of([predictor, other], [1.0, 2.0]),
        worst_of([predictor, other], [1.0, 2.0 + 1e-9]),
        worst_of([other, predictor], [1.0, 2.0]),
        worst_of([predictor, predictor], [1.0, 2.0]),
        predictor,
    ]
    assert len({one.fingerprint for one in made}) == len(made)
    assert worst_of([predictor, other], [1, 2]).fingerprint == made[0].fingerprint


@pytest.mark.parametrize("ms", [0.0, -1.0, float("nan"), float("inf"), "5", None])
def test_a_budget_that_is_no_latency_is_named(
    predictor: Predictor, other: Predictor, ms: float
) -> None:
    with pytest.raises(LpnetError, match=r"budgets\[1\], of target 'comb24', must be a positive"):
        worst_of([predictor, other], [1.0, ms])


def test_what_cannot_be_put_together_is_refused(predictor: Predictor, space: Space) -> None:
    with pytest.raises(LpnetError, match="at least one"):
        worst_of([], [])
    with pytest.raises(LpnetError, match="got 1 for 2"):
        worst_of([predictor, predictor], [1.0])
    with pytest.raises(LpnetError, match=r"predictors\[1\].*batch: 4, not 1"):
        worst_of([predictor, predictor.at(4)], [1.0, 1.0])
    smaller = Predictor(predictor.lpnet, space.at(resolution=32))
    with pytest.raises(LpnetError, match=rf"in its space: {smaller.space.hash}, not"):
        worst_of([predictor, smaller], [1.0, 1.0])
    elsewhere = Predictor(predictor.lpnet, space).to("meta")
    with pytest.raises(LpnetError, match="torch device: meta, not cpu"):
        worst_of([predictor, elsewhere], [1.0, 1.0])


def test_without_torch_its_name_says_what_to_install() -> None:
    code = """
import sys
sys.modules["torch"] = None
import lpnet
try:
    lpnet.worst_of
except lpnet.MissingExtra as error:
    print(error.extra)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["client"]
    assert lpnet.worst_of is worst_of
