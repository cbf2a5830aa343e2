from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lpnet.predictor.predictor import Predictor
from lpnet.search.prices import Repricer


@given(seed=st.integers(0, 2**32 - 1))
def test_changes_are_differences_of_whole_predictions(predictor: Predictor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    high = predictor.high.long()
    share = torch.rand(2, len(high), generator=generator, dtype=torch.float64)
    base, other = (1 + (predictor.high - 1) * share).round().long()
    places = torch.randint(len(high), (20,), generator=generator)
    repricer = Repricer(predictor.bound, high.device)
    found = repricer.changes(base, places, other[places])
    rows = base.repeat(20, 1)
    rows[torch.arange(20), places] = other[places]
    expected = repricer.total(rows) - repricer.total(base[None])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_only_units_that_see_a_width_notice_it(predictor: Predictor) -> None:
    repricer = Repricer(predictor.bound, predictor.high.device)
    assert repricer.noticing.any(1).all()
    assert not repricer.noticing.all(1).any()


def test_nothing_changed_costs_nothing(predictor: Predictor) -> None:
    repricer = Repricer(predictor.bound, predictor.high.device)
    nothing = torch.zeros(0, dtype=torch.long)
    assert repricer.changes(predictor.high, nothing, nothing).shape == (0,)
    assert repricer.total(predictor.high[None][:0]).shape == (0,)
