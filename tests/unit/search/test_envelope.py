from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpnet.errors import WidthsError
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.kernels import coverage
from lpnet.predictor.predictor import Predictor
from lpnet.search.envelope import Envelope
from lpnet.search.kernel_tables import MAX_POINTS, tabulate
from lpnet.search.prices import KernelPricer
from lpnet.space.table import OpRow, OpTable

seeds = st.integers(0, 2**32 - 1)


def drawn(predictor: Predictor, seed: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(count, len(predictor.widths), generator=generator, dtype=torch.float64)
    return predictor.low + (predictor.high - predictor.low) * share


def fast_points(predictor: Predictor, least: float, count: int) -> Tensor:
    """Widths that are all fast, none below a share of its max."""
    rng = np.random.default_rng(0)
    columns = []
    for name, most in zip(predictor.widths, predictor.high.tolist(), strict=True):
        fast = [value for value in predictor.fast_widths(name) if value >= least * most]
        columns.append(torch.from_numpy(rng.choice(fast, count).astype(np.float64)))
    return torch.stack(columns, -1)


@given(low=seeds, further=seeds, whole=st.booleans())
def test_it_never_falls_in_any_width(
    predictor: Predictor, low: int, further: int, whole: bool
) -> None:
    small = drawn(predictor, low)[0]
    large = torch.maximum(small, drawn(predictor, further)[0])
    if whole:
        small, large = small.floor(), large.floor()
    # Every width alone, then all together.
    steps = torch.where(torch.eye(len(small), dtype=torch.bool), large, small)
    ms = predictor.envelope(torch.cat((small[None], steps, large[None])))
    assert bool((ms[1:] >= ms[0] - 1e-12).all())
    assert bool((ms[-1] >= ms - 1e-12).all())


@given(seeds)
def test_its_gradient_is_never_negative(predictor: Predictor, seed: int) -> None:
    widths = drawn(predictor, seed, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(predictor.envelope(widths).sum(), widths)
    assert bool((gradient >= -1e-12).all())


def test_dense_costs_what_the_predictor_says(predictor: Predictor) -> None:
    high = predictor.high
    torch.testing.assert_close(predictor.envelope(high), predictor(high), rtol=1e-9, atol=0)


def test_at_fast_widths_it_is_close_to_the_predictor(predictor: Predictor) -> None:
    # It may differ by what neighbours do to a price, and by kernels that would rather be wider.
    points = fast_points(predictor, 0.3, 200)
    ratio = predictor.envelope(points) / predictor(points)
    assert float(ratio.log().abs().median()) < 0.05
    assert float(ratio.log().abs().max()) < 0.25


def test_off_the_teeth_it_asks_for_the_next_tooth_and_not_for_the_comb(
    predictor: Predictor,
) -> None:
    place = predictor.widths.index("5.expand")
    rows = predictor.high.repeat(2, 1)
    rows[0, place], rows[1, place] = 112.0, 113.0
    comb, tooth = predictor(rows), predictor.envelope(rows)
    assert float(comb[1] - comb[0]) > 5 * float(tooth[1] - tooth[0])


@given(seeds)
def test_it_is_continuous(predictor: Predictor, seed: int) -> None:
    widths = drawn(predictor, seed)[0]
    name = seed % len(widths)
    fast = predictor.fast_widths(predictor.widths[name])
    widths[name] = fast[seed % len(fast)]
    around = widths.repeat(2, 1)
    around[0, name] = max(float(predictor.low[name]), float(widths[name]) - 1e-7)
    around[1, name] = min(float(predictor.high[name]), float(widths[name]) + 1e-7)
    ms = predictor.envelope(around)
    torch.testing.assert_close(ms, predictor.envelope(widths).expand(2), rtol=1e-6, atol=1e-9)


@given(seeds)
def test_its_gradient_is_the_slope(predictor: Predictor, seed: int) -> None:
    # Off whole channels, so that no knot lies within the step.
    widths = drawn(predictor, seed)[0].floor().clamp(max=predictor.high - 1) + 0.5
    (gradient,) = torch.autograd.grad(predictor.envelope(widths.requires_grad_()), widths)
    eye = 0.01 * torch.eye(len(widths), dtype=torch.float64)
    with torch.no_grad():
        slope = (predictor.envelope(widths + eye) - predictor.envelope(widths - eye)) / 0.02
    torch.testing.assert_close(gradient, slope, rtol=1e-6, atol=1e-10)


def test_below_the_smallest_fast_width_it_is_flat(predictor: Predictor) -> None:
    for place, name in enumerate(predictor.widths):
        least = float(predictor.fast_widths(name)[0])
        rows = predictor.high.repeat(2, 1)
        rows[0, place], rows[1, place] = float(predictor.low[place]), least
        ms = predictor.envelope(rows)
        assert float(ms[0]) == pytest.approx(float(ms[1]), rel=1e-12)


def test_vmap_compile_and_dtypes(predictor: Predictor) -> None:
    rows = drawn(predictor, 1, 3)
    ms = predictor.envelope(rows)
    torch.testing.assert_close(torch.func.vmap(predictor.envelope)(rows), ms)
    compiled = torch.compile(predictor.envelope, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(rows), ms)
    single = predictor.envelope(rows.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), ms, rtol=1e-5, atol=0)
    gradients = torch.func.vmap(torch.func.grad(predictor.envelope))(rows)
    (expected,) = torch.autograd.grad(predictor.envelope(rows.requires_grad_()).sum(), rows)
    torch.testing.assert_close(gradients, expected)


def test_invalid_widths_are_errors_or_nan(predictor: Predictor) -> None:
    rows = drawn(predictor, 2, 2)
    rows[1, 0] = float("nan")
    with pytest.raises(WidthsError, match=rf"'{predictor.widths[0]}' of row 1 is nan"):
        predictor.envelope(rows)
    ms = torch.func.vmap(predictor.envelope)(rows)
    assert ms.isnan().tolist() == [False, True]


def concat_table() -> OpTable:
    """Two convs of widths a and b side by side, then one conv from their a + b channels to c."""
    conv = {"type": "conv2d", "h": 8, "w": 8, "h_out": 8, "w_out": 8}
    rows = (
        OpRow(name="a", inputs=(-1,), **conv),  # type: ignore[arg-type]
        OpRow(name="b", inputs=(-1,), **conv),  # type: ignore[arg-type]
        OpRow(name="ab", type="concat", inputs=(0, 1), h=8, w=8, h_out=8, w_out=8),
        OpRow(name="c", inputs=(2,), **conv),  # type: ignore[arg-type]
        OpRow(name="grouped", inputs=(3,), **conv),  # type: ignore[arg-type]
    )
    a_in = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=float)
    a_out = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]], dtype=float)
    a_g = np.array([[0, 0, 0]] * 4 + [[0, 0, 0.25]])
    return OpTable(
        rows, a_in, np.array([3.0, 3, 0, 0, 0]), a_out, np.zeros(5), a_g, np.array([1.0] * 4 + [0])
    )


def concat_envelope() -> tuple[Ensemble, OpTable, Envelope]:
    table = concat_table()
    header = EnsembleHeader(
        target="t", members=2, hidden=8, batches=(1,), coverage=coverage(table)
    )
    lpnet = Ensemble(header)
    repricer = KernelPricer(lpnet.bind(table, 1), torch.device("cpu"))
    dense = torch.tensor([48.0, 80.0, 64.0], dtype=torch.float64)
    grids = [torch.arange(4, int(most) + 1, 4) for most in dense]
    axes, tables = tabulate(repricer, dense, [(grid, grid.double()) for grid in grids])
    return lpnet, table, Envelope(axes, tables, 3)


@given(seeds)
def test_channels_of_several_widths_never_fall_either(seed: int) -> None:
    lpnet, table, envelope = concat_envelope()
    generator = torch.Generator().manual_seed(seed)
    dense = torch.tensor([48.0, 80.0, 64.0], dtype=torch.float64)
    small = dense * torch.rand(20, 3, generator=generator, dtype=torch.float64)
    large = torch.maximum(small, dense * torch.rand(20, 3, generator=generator).double())
    assert bool((envelope(large) >= envelope(small) - 1e-12).all())
    torch.testing.assert_close(envelope(dense), lpnet.bind(table, 1)(dense), rtol=1e-6, atol=0)


def test_no_axis_has_more_points_than_agreed() -> None:
    _, _, envelope = concat_envelope()
    assert envelope.grid.shape[1] <= MAX_POINTS


def test_a_table_that_nothing_varies_in_is_a_constant(predictor: Predictor) -> None:
    space = predictor.space
    table = OpTable.from_ops(space.ops(space.dense))
    repricer = KernelPricer(predictor.lpnet.bind(table, 1), torch.device("cpu"))
    nothing = torch.zeros(0, dtype=torch.float64)
    envelope = Envelope(*tabulate(repricer, nothing, []), 0)
    torch.testing.assert_close(
        envelope(torch.zeros(3, 0)).double(),
        predictor(predictor.high).expand(3),
        rtol=1e-6,
        atol=0,
    )
