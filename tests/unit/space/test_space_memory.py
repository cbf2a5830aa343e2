"""Memory of a network: what the op table says is what its concrete ONNX graph comes to."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import shape_inference
from tests.harness.budget import examples
from torch import Tensor, nn

from lpnet import zoo
from lpnet.errors import SpaceError, WidthsError
from lpnet.schemas import ops as wire
from lpnet.space.memory import MemoryNeed
from lpnet.space.space import Space
from lpnet.space.table import OpTable

Make = Callable[..., Space]


def counted(model: onnx.ModelProto) -> tuple[int, int]:
    """Numbers that are weights, and most numbers of activations alive at once, by running through
    the graph with a set of live tensors. Shares nothing with the op table."""
    graph = shape_inference.infer_shapes(model, strict_mode=True).graph
    constants = {tensor.name: prod(tensor.dims) for tensor in graph.initializer}
    weights = sum(prod(t.dims) for t in graph.initializer if len(t.dims) > 0)
    size = {
        value.name: prod(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    readers = {name: 0 for name in size}
    for node in graph.node:
        for name in set(node.input) - constants.keys() - {""}:
            readers[name] += 1
    alive = {graph.input[0].name}
    most = 0
    for node in graph.node:
        alive.update(node.output)
        most = max(most, sum(size[name] for name in alive))
        for name in set(node.input) - constants.keys() - {""}:
            readers[name] -= 1
            if not readers[name]:
                alive.remove(name)
    assert alive == {graph.output[0].name}
    return weights, most


@st.composite
def some_widths(draw: st.DrawFn, space: Space) -> list[int]:
    return [
        width.granule * draw(st.integers(1, width.max // width.granule)) for width in space.widths
    ]


def check(space: Space, widths: list[int], batch: int, element_bytes: int) -> None:
    weights, activations = counted(space.concrete(widths, batch=1))
    expected = (weights + batch * activations) * element_bytes
    assert space.memory(widths, batch=batch, element_bytes=element_bytes) == expected
    # A batch's activations are those of its inputs side by side.
    assert counted(space.concrete(widths, batch=2)) == (weights, 2 * activations)


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2_32", "resnet34"])
@given(data=st.data())
@examples(6)
def test_the_table_says_what_the_concrete_graph_comes_to(name: str, data: st.DataObject) -> None:
    space = zoo.space(name)
    widths = data.draw(some_widths(space))
    check(space, widths, data.draw(st.integers(1, 9)), data.draw(st.sampled_from([1, 2, 4])))


@given(data=st.data())
@examples(10)
def test_so_it_does_with_silu_a_depthwise_conv_and_a_flatten(
    residual: Space, data: st.DataObject
) -> None:
    check(residual, data.draw(some_widths(residual)), data.draw(st.integers(1, 9)), 4)


def test_every_block_of_a_space_is_a_network_of_its_own() -> None:
    space = zoo.space("mobilenet_v2_32")
    for block in space.blocks:
        part = space.block(block.name)
        check(part, [int(value) for value in part.dense], 3, 4)


class PreActivation(nn.Module):
    """A BatchNorm that no conv precedes stays an op, with four numbers for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        out: Tensor = x + self.second(self.norm(x))
        return out


def test_a_norm_that_stays_counts(space_of: Make) -> None:
    space = space_of(PreActivation())
    assert any(row.type == "batch_norm" for row in space.table.rows)
    check(space, [5] * len(space.widths), 2, 4)


def test_by_hand() -> None:
    conv = wire.Conv2d(c_in=3, c_out=8, h=10, w=10, kernel=(3, 3), padding=(1, 1))
    relu = wire.Activation(c_in=8, c_out=8, h=10, w=10, function="relu")
    pair = OpTable.from_ops([conv, relu])
    skip = OpTable.from_ops(
        [conv, relu, relu.model_copy(update={"inputs": (1,)}),
         wire.Add(c_in=8, c_out=8, h=10, w=10, inputs=(2, 0))]
    )  # fmt: skip
    nothing = np.zeros(0)
    assert float(MemoryNeed(pair).weights(nothing)) == 3 * 8 * 9 + 8
    assert float(MemoryNeed(pair).activations(nothing)) == 100 * (8 + 8)
    # The first conv's output waits for the add.
    assert float(MemoryNeed(skip).activations(nothing)) == 100 * (8 + 8 + 8)


def test_further_inputs_and_norms_count() -> None:
    norm = wire.Norm(c_in=8, c_out=8, h=5, w=1, function="layer")
    keys = wire.Linear(c_in=6, c_out=8, h=5, inputs=(-2,))
    both = wire.Add(c_in=8, c_out=8, h=5, w=1, inputs=(0, 1))
    need = MemoryNeed(OpTable.from_ops([norm, keys, both]))
    nothing = np.zeros(0)
    assert float(need.weights(nothing)) == 2 * 8 + 6 * 8 + 8
    # The norm runs while both inputs of the network wait.
    assert float(need.activations(nothing)) == 5 * (8 + 8 + 8)
    skipped = OpTable.from_ops([norm, keys, both.model_copy(update={"inputs": (0, 1, -1, -2)})])
    assert float(MemoryNeed(skipped).activations(nothing)) == 5 * (8 + 8 + 8 + 8 + 6)


def test_many_vectors_at_once_are_what_each_is(residual: Space) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(1, residual.dense + 1) for _ in range(20)])
    found = MemoryNeed(residual.table).bytes(rows.astype(float), 3)
    assert found.tolist() == [residual.memory(row, batch=3) for row in rows]


def test_fewer_channels_never_take_more(residual: Space) -> None:
    need = MemoryNeed(residual.table)
    rng = np.random.default_rng(1)
    wide = rng.integers(1, residual.dense + 1, (50, len(residual.dense))).astype(float)
    narrow = np.ceil(wide * rng.uniform(0.3, 1.0, wide.shape))
    assert (need.bytes(narrow) <= need.bytes(wide)).all()


def test_what_is_no_network_is_refused(residual: Space) -> None:
    with pytest.raises(WidthsError):
        residual.memory([0] * len(residual.widths))
    with pytest.raises(SpaceError, match="batch"):
        residual.memory(residual.dense, batch=0)
