"""Blocks partition a space, and put back together they are the space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.harness.budget import examples

from lpnet import zoo
from lpnet.errors import SpaceError
from lpnet.space.axis import Axis
from lpnet.space.blocks import partition
from lpnet.space.graph import Graph, Node
from lpnet.space.space import Space
from lpnet.space.template import Template

Run = Callable[..., list[NDArray[np.float32]]]


def chain(*kinds: str) -> tuple[Node, ...]:
    return tuple(Node(f"n.{i}", kind, (i - 1,)) for i, kind in enumerate(kinds))


def spans(nodes: tuple[Node, ...]) -> list[tuple[int, int]]:
    return [(block.start, block.stop) for block in partition(template(nodes))]


def template(nodes: tuple[Node, ...]) -> Template:
    return Template(Graph(nodes, 3, 8, 8), (), Axis.constant(3), ())


def test_up_to_three_layers_in_a_row_make_a_block() -> None:
    assert spans(chain(*["conv2d", "activation"] * 7)) == [(0, 6), (6, 12), (12, 14)]


def test_what_follows_a_layer_stays_with_it_and_a_pool_joins_the_block() -> None:
    kinds = ["conv2d", "activation", "pool", "conv2d", "activation", "batch_norm", "conv2d"]
    kinds += ["activation", "pool", "flatten", "linear"]
    assert spans(chain(*kinds)) == [(0, 10), (10, 11)]


def test_a_residual_block_stands_alone() -> None:
    nodes = (
        Node("stem", "conv2d", (-1,)),
        Node("a.conv", "conv2d", (0,)),
        Node("a.add", "add", (1, 0)),
        Node("a.relu", "activation", (2,)),
        Node("b.conv1", "conv2d", (3,)),
        Node("b.conv2", "conv2d", (4,)),
        Node("b.skip", "conv2d", (3,)),
        Node("b.add", "add", (5, 6)),
        Node("head", "conv2d", (7,)),
    )
    assert [(b.name, b.start, b.stop) for b in partition(template(nodes))] == [
        ("stem", 0, 1),
        ("a.conv", 1, 4),
        ("b", 4, 8),
        ("head", 8, 9),
    ]


def test_a_pre_activation_that_everything_passes_ends_no_later_than_it_must() -> None:
    """The skip goes around norm and conv: the cut is at the add, before the norm."""
    nodes = (
        Node("stem", "conv2d", (-1,)),
        Node("a.norm", "batch_norm", (0,)),
        Node("a.conv", "conv2d", (1,)),
        Node("a.add", "add", (2, 0)),
        Node("b.norm", "batch_norm", (3,)),
        Node("b.conv", "conv2d", (4,)),
        Node("b.add", "add", (5, 3)),
    )
    assert spans(nodes) == [(0, 1), (1, 4), (4, 7)]


def test_a_skip_from_the_input_keeps_everything_together() -> None:
    nodes = (
        Node("a", "conv2d", (-1,)),
        Node("b", "conv2d", (0,)),
        Node("add", "add", (1, -1)),
    )
    assert spans(nodes) == [(0, 3)]


def test_names_are_shared_paths_where_nothing_else_lies_under_them() -> None:
    space = zoo.space("mobilenet_v2")
    names = [block.name for block in space.blocks]
    assert names[:3] == ["features.0.0", "features.2.conv", "features.3.conv"]
    assert names[-1] == "features.18.0"
    assert [b.name for b in zoo.space("vgg16_bn").blocks][:2] == ["features.0", "features.10"]
    assert [b.name for b in zoo.space("resnet50").blocks][:3] == ["conv1", "layer1.0", "layer1.1"]


@pytest.mark.parametrize("name", zoo.PLAIN)
def test_tables_of_blocks_concatenate_to_the_table_of_the_space(name: str) -> None:
    space = zoo.space(name)
    assert [block.start for block in space.blocks] == [0, *(b.stop for b in space.blocks[:-1])]
    assert space.blocks[-1].stop == len(space.table.rows)
    named = space.named(np.maximum(space.dense * 2 // 3, 1))
    whole = space.ops(named)
    for block in space.blocks:
        part = space.block(block.name)
        own = {width.name: named[width.name] for width in part.widths}
        assert part.table.rows == space.table.slice(block.start, block.stop).rows
        for op, expected in zip(part.ops(own), whole[block.start : block.stop], strict=True):
            assert op.model_copy(update={"inputs": None}) == expected.model_copy(
                update={"inputs": None}
            )
    parts = [space.block(block.name) for block in space.blocks]
    macs = [part.macs({w.name: named[w.name] for w in part.widths}) for part in parts]
    assert sum(macs) == space.macs(named)


@pytest.mark.parametrize("name", zoo.PLAIN)
def test_a_block_has_only_the_widths_that_it_involves(name: str) -> None:
    space = zoo.space(name)
    order = {width.name: i for i, width in enumerate(space.widths)}
    for block in space.blocks:
        part = space.block(block.name)
        assert part.name == block.name
        places = [order[width.name] for width in part.widths]
        assert places == sorted(places)
        table = part.table
        used = (abs(table.a_in) + abs(table.a_out) + abs(table.a_g)).sum(0)
        assert (used > 0).all()


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2_32", "vgg16_bn", "resnet50"])
@given(seed=st.integers(0, 1000))
@examples(8)
def test_blocks_in_a_row_compute_what_the_network_computes(name: str, seed: int, run: Run) -> None:
    space = zoo.space(name)
    if name == "resnet50":
        space = space.at(resolution=64)
    rng = np.random.default_rng(seed)
    # Narrow, so that VGG's linear layers stay small.
    named = space.named([int(rng.integers(1, w.max // 4 + 1)) for w in space.widths])
    model = space.concrete(named, seed=seed)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    image = rng.standard_normal((1, *space.input_shape)).astype(np.float32)
    tensor = image
    for block in space.blocks:
        part = space.block(block.name)
        piece = part.concrete({width.name: named[width.name] for width in part.widths})
        for own in piece.graph.initializer:
            own.CopyFrom(weights[own.name])
        (tensor,) = run(piece, tensor)
    (expected,) = run(model, image)
    np.testing.assert_allclose(tensor, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"no block 'layer9'.*layer1\.0"):
        zoo.space("resnet20").block("layer9")


def test_a_block_of_another_batch_and_resolution() -> None:
    space = zoo.space("resnet20").at(batch=4, resolution=48)
    part = space.block("layer2.0")
    assert (part.batch, part.input_shape) == (4, (16, 48, 48))
    onnx.checker.check_model(part.concrete(part.dense), full_check=True)


def test_a_block_may_start_flat() -> None:
    part: Space = zoo.space("vgg16_bn").block("classifier.6")
    assert part.input_shape == (4096, 1, 1)
    dims = part.concrete([100]).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [1, 100]
