from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lpnet.errors import BudgetTooSmall, FileFormatError, LpnetError, NotCovered, WidthsError
from lpnet.model import files
from lpnet.model.base import LatencyModel
from lpnet.predictor.predictor import Predictor
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space

seeds = st.integers(0, 2**32 - 1)


def floats(predictor: Predictor, seed: int, count: int = 1) -> Tensor:
    """Random float widths (count, L) in range, float64."""
    noise = torch.rand(
        count,
        len(predictor.widths),
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
    )
    return predictor.low + (predictor.high - predictor.low) * noise


def test_it_learned_the_comb(predictor: Predictor, space: Space, truth: Any) -> None:
    rng = np.random.default_rng(7)
    drawn = [draw_widths(space, rng, share) for share in (0.0, 0.5, 1.0) for _ in range(10)]
    errors = [float(predictor(w)) / truth(w) - 1 for w in drawn]
    assert float(np.mean(np.abs(errors))) < 0.06


def test_one_vector_gives_a_scalar_and_a_batch_gives_one_number_a_row(
    predictor: Predictor,
) -> None:
    rows = floats(predictor, 0, 5)
    ms = predictor(rows)
    assert ms.shape == (5,)
    assert predictor(rows[0]).shape == ()
    torch.testing.assert_close(ms, torch.stack([predictor(row) for row in rows]))


def test_lists_objects_integers_and_arrays_are_taken(predictor: Predictor, space: Space) -> None:
    dense = [int(k) for k in space.dense]
    named = space.named(dense)
    expected = predictor(torch.tensor(dense, dtype=torch.float32))
    for same in (dense, named, dict(reversed(named.items())), space.dense, torch.tensor(dense)):
        torch.testing.assert_close(predictor(same), expected)
    torch.testing.assert_close(predictor([dense, dense]), expected.expand(2))
    torch.testing.assert_close(predictor([named, named]), expected.expand(2))


def test_float32_and_float64_stay_what_they_are(predictor: Predictor) -> None:
    rows = floats(predictor, 1, 3)
    assert predictor(rows).dtype == torch.float64
    assert predictor(rows.float()).dtype == torch.float32
    torch.testing.assert_close(
        predictor(rows.float()).double(), predictor(rows), rtol=1e-4, atol=0
    )


@given(seed=seeds)
def test_gradient_is_the_slope(predictor: Predictor, seed: int) -> None:
    widths = floats(predictor, seed)[0].clamp(predictor.low + 0.01, predictor.high - 0.01)
    (gradient,) = torch.autograd.grad(predictor(widths.requires_grad_()), widths)
    step = 1e-6
    eye = step * torch.eye(len(widths), dtype=torch.float64)
    with torch.no_grad():
        slope = (predictor(widths + eye) - predictor(widths - eye)) / (2 * step)
    torch.testing.assert_close(gradient, slope, rtol=1e-4, atol=1e-6)


def test_gradient_is_finite_and_continuous_at_whole_channels(predictor: Predictor) -> None:
    whole = floats(predictor, 3)[0].round().clamp(predictor.low + 1, predictor.high - 1)
    near = torch.stack((whole - 1e-7, whole, whole + 1e-7)).requires_grad_()
    (gradient,) = torch.autograd.grad(predictor(near).sum(), near)
    assert bool(gradient.isfinite().all())
    torch.testing.assert_close(gradient[0], gradient[2], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(gradient[0], gradient[1], rtol=1e-3, atol=1e-5)


def test_no_grad_changes_no_value(predictor: Predictor) -> None:
    widths = floats(predictor, 4, 4).requires_grad_()
    with torch.no_grad():
        without = predictor(widths)
    assert not without.requires_grad
    torch.testing.assert_close(without, predictor(widths).detach(), rtol=0, atol=0)


@given(seed=seeds)
def test_vmap_is_the_batch(predictor: Predictor, seed: int) -> None:
    rows = floats(predictor, seed, 3)
    torch.testing.assert_close(torch.func.vmap(predictor)(rows), predictor(rows))
    gradients = torch.func.vmap(torch.func.grad(predictor))(rows)
    expected = torch.autograd.grad(predictor(rows.requires_grad_()).sum(), rows)[0]
    torch.testing.assert_close(gradients, expected)


def test_it_compiles_as_one_graph(predictor: Predictor) -> None:
    compiled = torch.compile(predictor, backend="eager", fullgraph=True)
    rows = floats(predictor, 5, 3).requires_grad_()
    torch.testing.assert_close(compiled(rows), predictor(rows))
    (gradient,) = torch.autograd.grad(compiled(rows).sum(), rows)
    (expected,) = torch.autograd.grad(predictor(rows).sum(), rows)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5, 0.0, -3.0, 1e4])
def test_a_width_out_of_range_is_named(predictor: Predictor, value: float) -> None:
    name, place = predictor.widths[2], 2
    rows = floats(predictor, 6, 3)
    rows[1, place] = value
    with pytest.raises(WidthsError, match=rf"{name}.*row 1.*out of its range 1 to"):
        predictor(rows)
    for method in (predictor.envelope, predictor.interval, predictor.check, predictor.snap):
        with pytest.raises(WidthsError, match=name):
            method(rows[1])


@pytest.mark.parametrize("value", [float("nan"), 0.5, 1e4])
def test_where_no_error_can_be_raised_an_invalid_row_is_nan(
    predictor: Predictor, value: float
) -> None:
    rows = floats(predictor, 6, 3)
    rows[1, 2] = value
    expected = predictor(rows[[0, 2]])
    compiled = torch.compile(predictor, backend="eager", fullgraph=True)
    for ms in (torch.func.vmap(predictor)(rows), compiled(rows)):
        assert bool(ms[1].isnan())
        torch.testing.assert_close(ms[[0, 2]], expected)
    gradients = torch.func.vmap(torch.func.grad(predictor))(rows)
    assert bool(gradients[[0, 2]].isfinite().all())


def test_a_gradient_taken_outside_vmap_still_raises(predictor: Predictor) -> None:
    with pytest.raises(WidthsError, match=predictor.widths[0]):
        torch.func.grad(predictor)(-floats(predictor, 0)[0])


def test_wrong_shapes_and_names_are_refused(predictor: Predictor) -> None:
    count = len(predictor.widths)
    with pytest.raises(WidthsError, match=f"expected {count} widths .* got {count - 1}"):
        predictor(torch.ones(2, count - 1))
    with pytest.raises(WidthsError, match="single number"):
        predictor(torch.tensor(3.0))
    with pytest.raises(WidthsError, match=f"missing '{predictor.widths[0]}'.*unknown 'nobody'"):
        predictor({name: 8 for name in (*predictor.widths[1:], "nobody")})
    with pytest.raises(WidthsError, match="read as numbers"):
        predictor(["many"] * count)
    with pytest.raises(WidthsError, match=r"got torch\.bool"):
        predictor(torch.ones(count, dtype=torch.bool))


def test_interval_holds_the_prediction_and_widens_with_coverage(predictor: Predictor) -> None:
    rows = floats(predictor, 8, 4)
    ms = predictor(rows)
    low, high = predictor.interval(rows)
    assert bool((low < ms).all())
    assert bool((ms < high).all())
    wider = predictor.interval(rows, coverage=0.99)
    assert bool((wider[0] < low).all())
    assert bool((wider[1] > high).all())
    torch.testing.assert_close((high / ms).log(), 1.8 * predictor.bound.spread(rows))


def test_a_block_takes_the_factor_of_blocks(lpnet: LatencyModel, space: Space) -> None:
    part = Predictor(lpnet, space.block(space.blocks[1].name))
    assert part.kind == "block"
    dense = part.high
    _, high = part.interval(dense)
    torch.testing.assert_close((high / part(dense)).log(), 1.7 * part.bound.spread(dense))


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_coverage_is_a_share(predictor: Predictor, coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        predictor.interval(predictor.high, coverage)


def test_check_wants_whole_channels(predictor: Predictor) -> None:
    predictor.check(predictor.high)
    predictor.check(predictor.high.repeat(3, 1).long())
    widths = predictor.high.clone()
    widths[1] -= 0.5
    with pytest.raises(WidthsError, match=f"{predictor.widths[1]}.* is 95.5, not a whole number"):
        predictor.check(widths)
    predictor(widths)


def test_what_the_lpnet_has_not_seen_is_refused(lpnet: LatencyModel, space: Space) -> None:
    stranger = nn.Sequential(nn.Conv2d(3, 8, 5), nn.SiLU(), nn.Conv2d(8, 8, 1))
    with pytest.raises(NotCovered, match=r"'comb16' has never seen: conv2d 5x5 stride 1 dense"):
        Predictor(lpnet, Space.from_model(stranger, torch.randn(1, 3, 16, 16)))
    with pytest.raises(NotCovered, match="batch 2"):
        Predictor(lpnet, space, batch=2)


def test_another_batch_is_another_predictor(predictor: Predictor) -> None:
    four = predictor.at(4)
    assert (four.batch, four.space.batch, predictor.batch) == (4, 4, 1)
    assert float(four(four.high)) > float(predictor(predictor.high))


def test_it_loads_from_a_file_and_from_bytes(
    lpnet: LatencyModel, predictor: Predictor, space: Space, tmp_path: Path
) -> None:
    data = files.save(lpnet)
    (tmp_path / "comb.safetensors").write_bytes(data)
    rows = floats(predictor, 9, 2)
    for file in (data, tmp_path / "comb.safetensors", str(tmp_path / "comb.safetensors")):
        torch.testing.assert_close(Predictor.load(file, space)(rows), predictor(rows))
    with pytest.raises(FileFormatError):
        Predictor.load(b"nothing", space)


def test_inside_a_users_network_it_has_nothing_to_train_or_save(predictor: Predictor) -> None:
    owner = nn.ModuleDict({"latency": predictor})
    assert list(owner.parameters()) == []
    assert owner.state_dict() == {}


def test_moving_it_makes_its_tables_again(lpnet: LatencyModel, space: Space) -> None:
    predictor = Predictor(lpnet, space)
    before = predictor.envelope(predictor.high)
    assert predictor.to("cpu") is predictor
    torch.testing.assert_close(predictor.envelope(predictor.high), before)


@pytest.mark.parametrize("budget", [float("nan"), float("inf")])
def test_a_budget_is_a_number(predictor: Predictor, budget: float) -> None:
    with pytest.raises(LpnetError, match="budget_ms"):
        predictor.widest(budget)
    with pytest.raises(LpnetError, match="budget_ms"):
        predictor.snap(predictor.high, budget)


def test_a_space_without_widths_has_one_latency(lpnet: LatencyModel) -> None:
    conv = nn.Conv2d(3, 32, 3, stride=2, padding=1)
    fixed = Predictor(lpnet, Space.from_model(conv, torch.randn(1, 3, 64, 64)))
    assert fixed.widths == ()
    ms = float(fixed([]))
    assert ms > 0
    assert fixed.envelope(torch.zeros(2, 0)).tolist() == pytest.approx([ms, ms], rel=1e-5)
    assert fixed.snap([], 2 * ms).shape == fixed.widest(2 * ms).shape == (0,)
    reach = fixed.reachable()
    assert (reach.floor_ms, len(reach.front)) == (reach.dense_ms, 1)
    with pytest.raises(BudgetTooSmall):
        fixed.widest(0.5 * ms)
