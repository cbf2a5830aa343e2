"""Which channels are one width, judged by hand and by Torch-Pruning's dependency graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch_pruning as tp
from hypothesis import given, reject
from hypothesis import strategies as st
from tests.harness.budget import examples
from tests.harness.coupling import solve
from torch import Tensor, nn

from lpnet import zoo
from lpnet.errors import UnsupportedOp
from lpnet.space.graph import Graph, Node
from lpnet.space.raw import RawGraph, RawNode
from lpnet.space.solver.solution import solve as solve_labels
from lpnet.space.space import Space

Make = Callable[..., Space]


def conv(name: str, source: int, c_out: int, groups: int = 1) -> Node:
    return Node(name, "conv2d", (source,), c_out=c_out, groups=groups, module=name)


def add(name: str, left: int, right: int) -> Node:
    return Node(name, "add", (left, right))


def solved(*nodes: Node, c: int = 3) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Widths as (name, max, granule), and the label of every node's channels."""
    solution = solve(Graph(nodes, c, 8, 8))
    widths = [(width.name, width.max, width.granule) for width in solution.widths]
    return widths, [axis.label() for axis in solution.axes]


def test_what_is_added_is_one_width_named_by_its_first_conv() -> None:
    widths, labels = solved(
        conv("stem", -1, 8), conv("a", 0, 8), conv("b", 1, 8), add("add", 2, 0), conv("out", 3, 5)
    )
    assert widths == [("stem", 8, 1), ("a", 8, 1)]
    assert labels == ["stem", "a", "stem", "stem", "5"]


def test_the_first_conv_of_a_group_is_the_first_to_run_whatever_is_added_to_what() -> None:
    widths, _ = solved(
        conv("a", -1, 8),
        conv("b", -1, 8),
        conv("c", -1, 8),
        add("bc", 1, 2),
        add("all", 3, 0),
        conv("out", 4, 5),
    )
    assert widths == [("a", 8, 1)]


def test_a_depthwise_conv_follows_its_input_and_multiplies() -> None:
    widths, labels = solved(
        conv("a", -1, 8), conv("depthwise", 0, 24, groups=8), conv("out", 1, 5)
    )
    assert widths == [("a", 8, 1)]
    assert labels == ["a", "3*a", "5"]


def test_the_input_and_the_output_are_no_widths() -> None:
    assert solved(conv("a", -1, 8)) == ([], ["8"])
    widths, labels = solved(conv("a", -1, 3), add("with input", 0, -1), conv("out", 1, 5))
    assert widths == []
    assert labels == ["3", "3", "5"]
    assert solved(conv("on input", -1, 6, groups=3), conv("out", 0, 5))[0] == []


def test_a_group_that_reaches_the_output_by_an_add_is_constant() -> None:
    widths, _ = solved(conv("a", -1, 5), conv("b", 0, 7), conv("c", 1, 5), add("out", 2, 0))
    assert widths == [("b", 7, 1)]


def test_a_grouped_conv_gives_both_its_sides_a_granule() -> None:
    widths, labels = solved(
        conv("a", -1, 12),
        conv("four", 0, 8, groups=4),
        conv("back", 1, 12),
        add("add", 2, 0),
        conv("six", 3, 18, groups=6),
        conv("out", 4, 5),
    )
    assert widths == [("a", 12, 12), ("four", 8, 4), ("six", 18, 6)]
    assert labels == ["a", "four", "a", "a", "six", "5"]


def test_flatten_multiplies() -> None:
    flatten = Node("flatten", "flatten", (0,))
    linear = Node("fc", "linear", (1,), c_out=5)
    assert solved(conv("a", -1, 8), flatten, linear) == ([("a", 8, 1)], ["a", "64*a", "5"])


def test_channels_that_do_not_match_are_refused_by_node() -> None:
    with pytest.raises(UnsupportedOp, match=r"'sum'.*8 x 2 channels to 16") as caught:
        solved(
            conv("a", -1, 8),
            conv("twice", 0, 16, groups=8),
            conv("b", 0, 16),
            add("sum", 1, 2),
            conv("out", 3, 5),
        )
    assert caught.value.op == "add"


def test_groups_that_cut_across_channels_are_refused_by_node() -> None:
    with pytest.raises(UnsupportedOp, match=r"'grouped'.*4 groups cut across 8 x 2"):
        solved(
            conv("a", -1, 8),
            conv("twice", 0, 16, groups=8),
            conv("grouped", 1, 8, groups=4),
            conv("out", 2, 5),
        )


def raw_of(graph: Graph) -> RawGraph:
    """A graph of convs, activations and adds of one resolution as the exporter writes it."""
    nodes, shapes, parameters = [], {}, {}
    channels: list[int] = []

    def name(index: int) -> str:
        return "input" if index < 0 else f"t{index}"

    for index, node in enumerate(graph.nodes):
        c_in = graph.c if node.inputs[0] < 0 else channels[node.inputs[0]]
        inputs, attributes = [name(i) for i in node.inputs], {}
        if node.weighted:
            parameters[f"{node.name}.weight"] = (node.c_out, c_in // node.groups, 1, 1)
            inputs.append(f"{node.name}.weight")
            attributes = {"group": node.groups}
        op = {"conv2d": "Conv", "add": "Add", "activation": "Relu"}[node.type]
        channels.append(node.c_out or c_in)
        shapes[name(index)] = (1, channels[-1], graph.h, graph.w)
        nodes.append(RawNode(node.name, op, tuple(inputs), (name(index),), attributes, node.name))
    return RawGraph(
        nodes=tuple(nodes),
        inputs={"input": (1, graph.c, graph.h, graph.w)},
        outputs=(name(len(nodes) - 1),),
        parameters=parameters,
        constants={},
        shapes=shapes,
        modules={weight: weight.removesuffix(".weight") for weight in parameters},
    )


@st.composite
def plain_graphs(draw: st.DrawFn) -> Graph:
    """Convs of 1, 2 or all groups, activations, and adds of any two tensors that match."""
    nodes: list[Node] = []
    channels: list[int] = []
    for index in range(draw(st.integers(2, 14))):
        source = draw(st.integers(-1, index - 1))
        c_in = 4 if source < 0 else channels[source]
        same = [i for i in range(index) if channels[i] == c_in]
        kind = draw(st.sampled_from(["conv", "conv", "groups", "depthwise", "relu", "add"]))
        if kind == "add" and same:
            nodes.append(add(f"n{index}", source, draw(st.sampled_from(same))))
            channels.append(c_in)
        elif kind == "relu":
            nodes.append(Node(f"n{index}", "activation", (source,), function="relu"))
            channels.append(c_in)
        else:
            c_out = c_in if kind == "depthwise" else draw(st.sampled_from([4, 6, 8]))
            groups = {"groups": 2, "depthwise": c_in}.get(kind, 1)
            nodes.append(conv(f"n{index}", source, c_out, groups))
            channels.append(c_out)
    return Graph(tuple(nodes), 4, 8, 8)


@given(graph=plain_graphs())
@examples(400)
def test_labels_on_positions_give_the_widths_of_groups_of_channels(graph: Graph) -> None:
    try:
        expected = solve(graph)
    except UnsupportedOp:
        reject()
    solution = solve_labels(raw_of(graph), {})
    assert solution.widths == expected.widths
    for index, axis in enumerate(expected.axes):
        dims = solution.dims(f"t{index}")
        assert dims[1].affine() == axis.affine()
        assert [side.dense for side in dims] == [1, axis.dense, 8, 8]


def test_space_of_a_model_with_all_of_it(residual: Space) -> None:
    assert [(w.name, w.max, w.granule) for w in residual.widths] == [
        ("stem", 8, 1),
        ("expand", 12, 1),
        ("fc1", 20, 1),
    ]
    rows = {row.name: i for i, row in enumerate(residual.table.rows)}
    table = residual.table
    fc1, depthwise = rows["fc1"], rows["depthwise"]
    assert table.a_in[fc1].tolist() == [16, 0, 0]
    assert table.a_g[depthwise].tolist() == [0, 1, 0]
    assert table.b_g[depthwise] == 0
    assert table.b_g[rows["expand"]] == 1


def test_a_resnext_block_has_granules(space_of: Make) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reduce = nn.Conv2d(16, 8, 1)
            self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
            self.widen = nn.Conv2d(12, 16, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = x + self.widen(self.grouped(self.reduce(x)))
            return out

    space = space_of(nn.Conv2d(3, 16, 1), Block(), nn.Conv2d(16, 5, 1))
    assert [(w.name, w.granule) for w in space.widths] == [
        ("0", 1),
        ("1.reduce", 4),
        ("1.grouped", 4),
    ]
    assert Space.from_bytes(space.to_bytes()).template == space.template


@pytest.mark.parametrize("name", ["resnet50", "resnet20", "mobilenet_v2_32"])
def test_torch_pruning_finds_the_same_groups(name: str) -> None:
    """Its dependency graph is right on these networks, so it is an oracle there."""
    model = zoo.model(name).eval()
    side = zoo.side(name)
    graph = tp.DependencyGraph().build_dependency(model, torch.zeros(1, 3, side, side))
    paths = {module: path for path, module in model.named_modules()}
    head = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)][-1:]
    theirs = set()
    for group in graph.get_all_groups(
        ignored_layers=[model.get_submodule(path) for path in head],
        root_module_types=[nn.Conv2d, nn.Linear],
    ):
        out = {
            paths[dep.target.module]
            for dep, _ in group
            if dep.handler in (tp.prune_conv_out_channels, tp.prune_depthwise_conv_out_channels)
        }
        theirs.add(frozenset(out))
    space = zoo.space(name)
    ours = {
        frozenset(
            node.name
            for node, axis in zip(space.template.graph.nodes, space.template.axes, strict=True)
            if node.weighted and width.name in axis.widths
        )
        for width in space.widths
    }
    assert ours == theirs
    if name == "resnet50":
        assert len(ours) == 37
