"""What a space says of itself over the wire is what its table says: a predictor is bound to the
table, but an LPNet learns from the ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.harness.budget import examples
from tests.harness.ops import op_lists
from torch import nn

from lpnet import zoo
from lpnet.schemas import ops as wire
from lpnet.schemas.workload import OpsWorkload
from lpnet.space.space import Space
from lpnet.space.table import OpRow, OpTable, from_wire, to_wire

Make = Callable[..., Space]


def nameless(table: OpTable) -> list[OpRow]:
    return [replace(row, name="") for row in table.rows]


def check(space: Space, widths: NDArray[np.int64]) -> None:
    sent = OpsWorkload(ops=space.ops(widths)).model_dump_json()
    read = OpTable.from_ops(OpsWorkload.model_validate_json(sent).ops)
    assert nameless(read) == nameless(space.table)
    for name in ("c_in", "c_out", "groups"):
        expected = getattr(space.table, name)(widths.astype(np.float64))
        np.testing.assert_array_equal(getattr(read, name)(np.zeros(0)), expected)


@pytest.mark.parametrize("name", zoo.PLAIN)
@given(seed=st.integers(0, 2**32 - 1))
@examples(10)
def test_the_ops_of_the_zoo_are_its_tables(name: str, seed: int) -> None:
    space = zoo.space(name)
    rng = np.random.default_rng(seed)
    steps = [rng.integers(1, width.max // width.granule + 1) for width in space.widths]
    granules = np.array([width.granule for width in space.widths])
    check(space, np.array(steps) * granules)


@pytest.mark.parametrize("resolution", [15, 16, (16, 17)])
@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d((3, 2), (3, 1), (1, 0), ceil_mode=True),
        nn.MaxPool2d(3, 2, dilation=2, ceil_mode=True),
        nn.AvgPool2d(3, 3, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2),
    ],
)
def test_a_pool_keeps_its_pixels_over_the_wire(
    pool: nn.Module, resolution: int | tuple[int, int], space_of: Make
) -> None:
    space = space_of(nn.Conv2d(3, 8, 3, padding=1), pool, nn.Conv2d(8, 4, 1))
    at = space.at(resolution=resolution)
    check(at, at.dense)


def test_only_a_pool_that_rounds_up_says_so(space_of: Make) -> None:
    def pool(side: int, ceil_mode: bool) -> wire.Op:
        layer = nn.MaxPool2d(3, 2, ceil_mode=ceil_mode)
        space = space_of(nn.Conv2d(3, 8, 1), layer, shape=(1, 3, side, side))
        return space.ops(space.dense)[-1]

    assert [
        op.ceil_mode
        for op in (pool(16, False), pool(15, True), pool(16, True))
        if isinstance(op, wire.Pool)
    ] == [False, False, True]


def test_a_window_larger_than_its_image_counts_where_torch_counts_it(space_of: Make) -> None:
    space = space_of(nn.Conv2d(3, 8, 1), nn.MaxPool2d(3, 2, ceil_mode=True), shape=(1, 3, 2, 2))
    assert (space.table.rows[-1].h_out, space.table.rows[-1].w_out) == (1, 1)
    check(space, space.dense)


@given(op_lists())
def test_a_table_of_ops_gives_them_back(ops: list[wire.Op]) -> None:
    table = OpTable.from_ops(ops)
    again = OpTable.from_ops(table.ops(np.zeros(0)))
    assert nameless(again) == nameless(table)
    for name in ("b_in", "b_out", "b_g"):
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))


def test_a_part_of_a_table_numbers_what_it_reads() -> None:
    side = {"c_in": 8, "c_out": 8, "h": 9, "w": 1}
    table = OpTable.from_ops(
        [
            wire.Softmax(**side),
            wire.Softmax(**side),
            wire.Add(inputs=(1, -2), **side),
            wire.Add(inputs=(2, 0), **side),
            wire.Add(inputs=(1, 3), **side),
        ]
    )
    assert [row.inputs for row in table.slice(2, 5).rows] == [(-1, -2), (0, -3), (-1, 1)]
    assert [row.inputs for row in table.slice(0, 2).rows] == [(-1,), (0,)]


@given(st.integers(1, 600), st.integers(1, 600))
def test_a_resize_keeps_its_pixels_over_the_wire(side: int, side_out: int) -> None:
    row = OpRow("", "resize", (-1,), h=side, w=1, h_out=side_out, w_out=2)
    op = to_wire(row, 3, 3, 1)
    assert replace(from_wire(op, 0), name="") == row


def test_products_and_norms_count() -> None:
    nothing = np.zeros(0)
    # 4 heads of 16 channels and 49 tokens: scores, then their product with the values.
    scores = wire.MatMul(c_in=64, c_out=196, h=49, groups=4)
    values = wire.MatMul(c_in=196, c_out=64, h=49, groups=4)
    table = OpTable.from_ops([scores, values])
    assert float(table.macs(nothing)) == 2 * 4 * 49 * 49 * 16
    assert float(table.params(nothing)) == 0
    norms = {
        function: OpTable.from_ops([wire.Norm(c_in=8, c_out=8, h=4, w=4, function=function)])
        for function in ("layer", "group", "instance", "rms")
    }
    params = {function: float(norm.params(nothing)) for function, norm in norms.items()}
    assert params == {"layer": 16, "group": 16, "instance": 16, "rms": 8}
    assert all(float(norm.macs(nothing)) == 0 for norm in norms.values())


def test_a_linear_op_runs_on_every_token_and_shares_its_weight_among_groups() -> None:
    nothing = np.zeros(0)
    tokens = OpTable.from_ops([wire.Linear(c_in=8, c_out=16, h=49)])
    assert float(tokens.macs(nothing)) == 8 * 16 * 49
    assert float(tokens.params(nothing)) == 8 * 16 + 16
    grouped = OpTable.from_ops([wire.Linear(c_in=5 * 8, c_out=5 * 16, groups=5)])
    assert float(grouped.macs(nothing)) == 5 * 8 * 16
    assert float(grouped.params(nothing)) == 8 * 16 + 16


def test_sizes_of_ops_that_no_space_has() -> None:
    side = {"c_in": 8, "c_out": 8, "h": 5, "w": 7}
    table = OpTable.from_ops(
        [
            wire.ConvTranspose2d(kernel=(4, 4), stride=(2, 2), padding=(1, 1), **side),
            wire.ConvTranspose2d(kernel=(3, 3), stride=(2, 1), **side),
            wire.Conv2d(kernel=(3, 3), stride=(2, 1), **side),
            wire.Pool(kernel=(2, 2), stride=(2, 2), mode="avg", **side),
            wire.Resize(scale=(2.0, 3.0), **side),
        ]
    )
    assert [(row.h_out, row.w_out) for row in table.rows] == [
        (10, 14),
        (10, 7),
        (3, 7),
        (3, 4),
        (10, 21),
    ]
