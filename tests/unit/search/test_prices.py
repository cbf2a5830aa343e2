from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lpnet.predictor.predictor import Predictor
from lpnet.search.prices import KernelPricer


@given(seed=st.integers(0, 2**32 - 1))
def test_changes_are_differences_of_whole_predictions(predictor: Predictor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    high = predictor.high.long()
    share = torch.rand(2, len(high), generator=generator, dtype=torch.float64)
    base, other = (1 + (predictor.high - 1) * share).round().long()
    indices = torch.randint(len(high), (20,), generator=generator)
    pricer = KernelPricer(predictor.bound, high.device)
    changes = pricer.changes(base, indices, other[indices])
    rows = base.repeat(20, 1)
    rows[torch.arange(20), indices] = other[indices]
    expected = pricer.total(rows) - pricer.total(base[None])
    torch.testing.assert_close(changes, expected, rtol=1e-9, atol=1e-12)


def test_a_width_affects_some_kernels_and_not_others(predictor: Predictor) -> None:
    pricer = KernelPricer(predictor.bound, predictor.high.device)
    assert pricer.affected.any(1).all()
    assert not pricer.affected.all(1).any()


def test_nothing_changed_costs_nothing(predictor: Predictor) -> None:
    pricer = KernelPricer(predictor.bound, predictor.high.device)
    nothing = torch.zeros(0, dtype=torch.long)
    assert pricer.changes(predictor.high, nothing, nothing).shape == (0,)
    assert pricer.total(predictor.high[None][:0]).shape == (0,)
