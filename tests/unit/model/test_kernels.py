"""Which kernels a table has, and the words for them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness import tokens

from lpnet.model.kernels import coverage, kernels
from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable


def test_kernels_absorb_their_activation_and_know_their_neighbours(residual_table: Any) -> None:
    expand, depthwise, project, add, pool, linear, entry, leaving, call = kernels(residual_table())
    assert [n.type for n in (expand, depthwise, project)] == [
        "conv_dense",
        "conv_depthwise",
        "conv_dense",
    ]
    assert (expand.function, project.function) == ("relu6", None)
    assert (expand.producer, expand.consumer) == (-1, 2)
    assert (depthwise.producer, depthwise.consumer) == (0, 4)
    assert project.before_add
    assert not depthwise.before_add
    # Beyond add, pool and flatten stands the linear op.
    assert (project.consumer, add.producer, linear.producer) == (8, 4, 4)
    assert (pool.type, entry.type, leaving.type, call.type) == (
        "pool_global",
        "edge_in",
        "edge_out",
        "call",
    )
    assert (entry.consumer, leaving.producer) == (0, 8)


def test_the_add_that_a_skip_reaches_later_does_not_follow() -> None:
    side = {"h": 8, "w": 8}
    table = OpTable.from_ops(
        [
            wire.Conv2d(c_in=8, c_out=8, kernel=(1, 1), **side),
            wire.Conv2d(c_in=8, c_out=8, kernel=(1, 1), **side),
            wire.Add(c_in=8, c_out=8, inputs=(1, 0), **side),
        ]
    )
    first, second = kernels(table)[:2]
    assert (first.before_add, first.consumers) == (False, 2)
    assert second.before_add


def test_an_activation_read_beside_its_source_stands_alone() -> None:
    side = {"h": 8, "w": 8}
    table = OpTable.from_ops(
        [
            wire.Conv2d(c_in=8, c_out=8, kernel=(1, 1), **side),
            wire.Activation(c_in=8, c_out=8, function="sigmoid", **side),
            wire.Mul(c_in=8, c_out=8, inputs=(0, 1), **side),
        ]
    )
    conv, activation = kernels(table)[:2]
    assert (conv.function, activation.type, activation.function) == (None, "activation", "sigmoid")
    assert "activation sigmoid on its own" in coverage(table)


def test_coverage_says_type_window_stride_and_groups(residual_table: Any) -> None:
    assert coverage(residual_table(function="silu")) == (
        "conv2d 1x1 stride 1 dense",
        "activation silu",
        "conv2d 3x3 stride 1 depthwise",
        "add",
        "pool global",
        "linear",
    )
    grouped = wire.Conv2d(
        c_in=8, c_out=8, h=9, w=9, kernel=(3, 5), stride=(2, 1), dilation=(2, 2), groups=2
    )
    assert coverage(OpTable.from_ops([grouped])) == ("conv2d 3x5 stride 2x1 dilation 2 grouped",)


def test_tokens_have_kernels_of_their_own() -> None:
    table = tokens.table()
    priced = kernels(table)
    assert [kernel.type for kernel in priced] == [
        *("norm", "linear", "linear", "linear", "move", "matmul", "softmax", "matmul", "linear"),
        *("add", "norm", "linear", "linear", "opaque", "move", "conv_dense", "reduce"),
        *("activation", "mul", "reduce", "add", "edge_in", "edge_in", "edge_out", "call"),
    ]
    by_row = {kernel.row: kernel for kernel in priced[:-4]}
    assert by_row[11].function == "gelu"
    # A norm and a softmax leave the channel axis as it is.
    assert (by_row[5].consumer, by_row[7].producer) == (7, 5)
    assert (by_row[8].consumer, by_row[11].producer) == (11, 8)
    first, second = priced[-4:-2]
    assert (first.row, second.row) == (0, 21)
    assert {"matmul", "softmax", "norm layer", "norm rms", "move transpose", "reduce max"} <= set(
        coverage(table)
    )
    assert "opaque LSTM 48x49x1 to 32x49x1" in coverage(table)


@pytest.mark.parametrize("source", ["matmul", "norm", "add", "softmax", "move"])
def test_an_activation_runs_inside_a_product_norm_or_sum(source: str) -> None:
    side = {"c_in": 8, "c_out": 8, "h": 9, "w": 1}
    ops: dict[str, wire.Op] = {
        "matmul": wire.MatMul(inputs=(-1, -2), **side),
        "norm": wire.Norm(function="layer", **side),
        "add": wire.Add(inputs=(-1, -2), **side),
        "softmax": wire.Softmax(**side),
        "move": wire.Move(function="slice", h_out=9, w_out=1, **side),
    }
    table = OpTable.from_ops([ops[source], wire.Activation(function="relu", **side)])
    absorbed = source in ("matmul", "norm", "add")
    assert (kernels(table)[0].function == "relu") == absorbed
    assert ("activation relu" in coverage(table)) == absorbed


def test_outputs_are_counted() -> None:
    side = {"c_in": 8, "c_out": 8, "h": 9, "w": 1}
    heads = [wire.Linear(c_in=8, c_out=8, inputs=(0,)) for _ in range(3)]
    table = OpTable.from_ops([wire.Norm(function="layer", **side), *heads])
    assert [kernel.outputs for kernel in kernels(table) if kernel.type == "edge_out"] == [3]


def test_a_depthwise_conv_pruned_to_one_channel_is_still_one() -> None:
    one = wire.Conv2d(c_in=1, c_out=1, h=9, w=9, kernel=(3, 3), padding=(1, 1))
    pointwise = wire.Conv2d(c_in=1, c_out=1, h=9, w=9, kernel=(1, 1))
    assert coverage(OpTable.from_ops([one])) == ("conv2d 3x3 stride 1 depthwise",)
    assert coverage(OpTable.from_ops([pointwise])) == ("conv2d 1x1 stride 1 dense",)


def test_what_nobody_recorded_is_representable() -> None:
    table = OpTable.from_ops(
        [
            wire.Conv2d(c_in=3, c_out=8, h=9, w=9, kernel=(3, 3), padding=None),
            wire.Activation(c_in=8, c_out=8, h=9, w=9),
        ]
    )
    assert kernels(table)[0].function == "unknown"
    assert "activation unknown" in coverage(table)
