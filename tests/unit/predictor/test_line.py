"""A line through a space is what whole predictions say, and its parts add up."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpnet.errors import LpnetError, WidthsError
from lpnet.model.ensemble import Ensemble
from lpnet.model.header import Calibration
from lpnet.model.kernels import kernels
from lpnet.predictor.advice import advise
from lpnet.predictor.predictor import Predictor
from lpnet.search.prices import KernelPricer


def drawn(predictor: Predictor, seed: int) -> Tensor:
    """Legal widths."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(len(predictor.high), generator=generator, dtype=torch.float64)
    return (1 + (predictor.high - 1) * share).round()


def rows(predictor: Predictor, name: str, at: Tensor) -> Tensor:
    place = predictor.widths.index(name)
    values = torch.arange(1, int(predictor.high[place]) + 1)
    found = at.repeat(len(values), 1)
    found[:, place] = values.double()
    return found


@given(seed=st.integers(0, 2**32 - 1), place=st.integers(0, 6), coverage=st.floats(0.3, 0.97))
def test_a_line_is_what_whole_predictions_say(
    predictor: Predictor, seed: int, place: int, coverage: float
) -> None:
    name = predictor.widths[place % len(predictor.widths)]
    at = drawn(predictor, seed)
    line = predictor.line(name, at, coverage)
    whole = rows(predictor, name, at)
    with torch.no_grad():
        ms, (low, high) = predictor(whole), predictor.interval(whole, coverage)
    torch.testing.assert_close(line.ms, ms, rtol=1e-9, atol=0)
    torch.testing.assert_close(line.low, low, rtol=1e-9, atol=0)
    torch.testing.assert_close(line.high, high, rtol=1e-9, atol=0)
    assert line.values.tolist() == whole[:, predictor.widths.index(name)].tolist()
    assert line.values[line.fast].tolist() == predictor.fast_widths(name, at)
    # What a width does not touch is common to all its values, and tells none apart.
    assert bool((line.touched_low < line.ms).all())
    assert bool((line.ms < line.touched_high).all())


def test_the_envelope_of_a_line_is_its_fast_values_joined(predictor: Predictor) -> None:
    line = predictor.line("2.expand")
    fast = line.fast
    assert bool(fast.any())
    assert not bool(fast.all())
    assert line.envelope[fast].tolist() == line.ms[fast].tolist()
    assert bool((line.envelope.diff() >= 0).all())
    values, grid = line.values.tolist(), line.values[fast].tolist()
    for below, above in pairwise(grid):
        for value in range(below + 1, above):
            share = (value - below) / (above - below)
            ends = line.ms[values.index(below)], line.ms[values.index(above)]
            expected = float(torch.lerp(*ends, share))
            assert float(line.envelope[values.index(value)]) == pytest.approx(expected)
    first = values.index(grid[0])
    assert set(line.envelope[:first].tolist()) <= {float(line.ms[first])}


def test_without_other_widths_they_are_at_their_max(predictor: Predictor) -> None:
    line, same = predictor.line("2.expand"), predictor.line("2.expand", predictor.high)
    assert line.ms.tolist() == same.ms.tolist()


def test_the_advice_about_a_comb_is_its_step(predictor: Predictor) -> None:
    line = predictor.line("2.expand")
    ends = line.touched_low.numpy(), line.touched_high.numpy()
    found = advise(line.values.tolist(), line.ms.numpy(), *ends, 0.5)
    assert (found[0].kind, found[0].multiple) == ("multiples", 16), found
    assert found[1].kind == "cliff"


def test_what_is_no_line_is_refused(predictor: Predictor) -> None:
    with pytest.raises(WidthsError, match="unknown width 'nobody'"):
        predictor.line("nobody")
    with pytest.raises(WidthsError, match="one width vector"):
        predictor.line("2.expand", predictor.high.repeat(2, 1))
    with pytest.raises(ValueError, match="coverage"):
        predictor.line("2.expand", coverage=1.0)
    never = predictor.lpnet.header.model_copy(update={"calibration": Calibration()})
    with pytest.raises(LpnetError, match="never calibrated"):
        Predictor(Ensemble(never), predictor.space).line("2.expand")


@given(seed=st.integers(0, 2**32 - 1))
def test_the_parts_of_a_prediction_add_up(predictor: Predictor, seed: int) -> None:
    at = drawn(predictor, seed)
    widths = torch.stack((at, predictor.high))
    parts, ms = predictor.breakdown(widths), predictor(widths)
    assert parts.shape == (2, len(predictor.space.blocks) + 2)
    torch.testing.assert_close(parts.sum(-1), ms, rtol=1e-12, atol=0)
    torch.testing.assert_close(predictor.breakdown(at), parts[0], rtol=1e-12, atol=0)


def test_the_part_of_a_block_is_what_its_kernels_cost_there(predictor: Predictor) -> None:
    """Priced one by one, and added up by the rows of the table they stand for."""
    at = (predictor.high * 0.6).round()
    prices = KernelPricer(predictor.bound, at.device).all_prices(at).tolist()
    found = kernels(predictor.space.table)
    parts = predictor.breakdown(at).tolist()
    for block, part in zip(predictor.space.blocks, parts, strict=False):
        own = [
            price
            for price, node in zip(prices, found, strict=True)
            if block.start <= node.row < block.stop and not node.type.startswith("edge")
        ]
        assert own, block
        assert part == pytest.approx(sum(own))
    assert parts[-2] == pytest.approx(sum(prices[-3:-1]))
    assert parts[-1] == pytest.approx(prices[-1])


def test_by_itself_a_block_pays_for_edges_and_a_call_of_its_own(predictor: Predictor) -> None:
    """So its part in a network is not what it takes alone."""
    block = predictor.space.blocks[1]
    alone = Predictor(predictor.lpnet, predictor.space.block(block.name))
    inside = float(predictor.breakdown(predictor.high)[1])
    own = alone.breakdown(alone.high)
    assert float(own[-1]) > 0
    assert float(alone(alone.high)) == pytest.approx(float(own.sum()))
    assert float(alone(alone.high)) != pytest.approx(inside, rel=1e-3)
