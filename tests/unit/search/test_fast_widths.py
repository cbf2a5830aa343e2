from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpnet.errors import WidthsError
from lpnet.predictor.predictor import Predictor
from lpnet.search.fast_widths import cheaper_than_larger, thinned

costs = st.lists(st.integers(0, 12), max_size=30)


def brute_force(predictor: Predictor, place: int, at: Tensor) -> list[int]:
    """w is fast when f(w) < f(w') for every larger legal w', by calls of the whole predictor."""
    values = torch.arange(1, int(predictor.high[place]) + 1)
    rows = at.repeat(len(values), 1)
    rows[:, place] = values.double()
    ms = predictor(rows)
    return [int(w) for i, w in enumerate(values) if bool((ms[i] < ms[i + 1 :]).all())]


def test_fast_widths_are_those_of_brute_force(predictor: Predictor) -> None:
    for place, name in enumerate(predictor.widths):
        assert predictor.fast_widths(name) == brute_force(predictor, place, predictor.high)


def test_fast_widths_depend_on_where_the_others_are(predictor: Predictor) -> None:
    at = (predictor.high * 0.6).round()
    for place, name in enumerate(predictor.widths):
        found = predictor.fast_widths(name, at=at)
        assert found == brute_force(predictor, place, at)
        assert found == predictor.fast_widths(name, at=[int(k) for k in at])


def test_on_a_comb_the_teeth_are_fast_and_little_else(predictor: Predictor) -> None:
    found = predictor.fast_widths("2.expand")
    assert set(range(16, 97, 16)) <= set(found)
    assert len(found) < 20


def test_the_max_is_always_fast(predictor: Predictor) -> None:
    for name, most in zip(predictor.widths, predictor.high, strict=True):
        found = predictor.fast_widths(name)
        assert found[-1] == int(most)
        assert found == sorted(set(found))


def test_an_unknown_name_is_refused(predictor: Predictor) -> None:
    with pytest.raises(WidthsError, match="unknown width 'nobody'"):
        predictor.fast_widths("nobody")
    with pytest.raises(WidthsError, match="one width vector"):
        predictor.fast_widths(predictor.widths[0], at=predictor.high.repeat(2, 1))


@given(costs)
def test_unbeaten_is_its_definition(cost: list[int]) -> None:
    found = cheaper_than_larger(torch.tensor(cost, dtype=torch.float64)).tolist()
    assert found == [all(cost[i] < later for later in cost[i + 1 :]) for i in range(len(cost))]


@given(st.integers(1, 300), st.integers(4, 50))
def test_thinning_keeps_the_ends_and_the_asked_number(count: int, most: int) -> None:
    values = torch.arange(1, count + 1)
    kept = thinned(values, values.double(), most).tolist()
    assert len(kept) == min(count, most)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (1, count)


def test_thinning_keeps_the_teeth_of_a_comb() -> None:
    values = torch.arange(1, 161)
    cost = torch.ceil(values / 16) + 0.001 * values
    assert set(range(16, 161, 16)) <= set(thinned(values, cost, 33).tolist())
