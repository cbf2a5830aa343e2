from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lpnet.predictor.predictor import Predictor


def moved(new: Tensor, old: Tensor) -> float:
    """What snapping keeps small."""
    return float((new.double().log() - old.double().log()).abs().sum())


def test_every_width_becomes_its_nearest_fast_one(predictor: Predictor) -> None:
    widths = (predictor.high * 0.43).round()
    found = predictor.snap(widths)
    for name, old, new in zip(predictor.widths, widths.tolist(), found.tolist(), strict=True):
        assert new in predictor.fast_widths(name)
        closest = min(abs(math.log(k / old)) for k in predictor.fast_widths(name))
        assert abs(math.log(new / old)) <= closest + 1e-12


def test_it_rounds_up_as_well_as_down(predictor: Predictor) -> None:
    name = "5.expand"
    place = predictor.widths.index(name)
    rows = predictor.high.repeat(2, 1)
    rows[0, place], rows[1, place] = 109.0, 115.0
    assert predictor.snap(rows)[:, place].tolist() == [112, 112]


def test_fast_widths_stay_what_they_are(predictor: Predictor) -> None:
    assert predictor.snap(predictor.high).tolist() == predictor.high.tolist()


def test_snapping_an_unlucky_network_makes_it_faster(predictor: Predictor) -> None:
    widths = torch.tensor([31.0, 95.0, 63.0, 127.0, 143.0])
    found = predictor.snap(widths)
    assert float(predictor(found)) < float(predictor(widths))
    assert bool((found >= widths).all())


def test_within_a_budget_it_moves_little(predictor: Predictor) -> None:
    widths = predictor.high - 5
    for share in (0.8, 0.5, 0.3):
        budget = share * float(predictor(predictor.high))
        found = predictor.snap(widths, budget)
        predictor.check(found)
        assert float(predictor(found)) <= budget
        # No uniform shrink to multiples of 16 within the budget is nearer.
        ratio = torch.linspace(0.05, 1, 300, dtype=torch.float64)[:, None]
        rows = (ratio * predictor.high / 16).round().clamp(min=1) * 16
        rows = rows.minimum(predictor.high)
        fits = rows[predictor(rows) <= budget]
        assert moved(found, widths) <= min(moved(row, widths) for row in fits)


def test_a_budget_that_is_met_anyway_changes_nothing(predictor: Predictor) -> None:
    widths = predictor.high * 0.7
    plenty = 10 * float(predictor(predictor.high))
    assert predictor.snap(widths, plenty).tolist() == predictor.snap(widths).tolist()


def test_a_batch_is_snapped_row_by_row(predictor: Predictor) -> None:
    rows = torch.stack((predictor.high * 0.9, predictor.high * 0.6))
    budget = 0.5 * float(predictor(predictor.high))
    found = predictor.snap(rows, budget)
    assert found.dtype == torch.int64
    assert found.tolist() == [predictor.snap(row, budget).tolist() for row in rows]


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_it_is_deterministic(predictor: Predictor, share: float) -> None:
    widths, budget = predictor.high * share, 0.4 * float(predictor(predictor.high))
    assert torch.equal(predictor.snap(widths, budget), predictor.snap(widths, budget))
