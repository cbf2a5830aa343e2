"""Space files that somebody made to do harm: refused in a line, quickly, and in little memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from tests.harness.budget import examples
from tests.harness.coupling import solve

from lpnet import zoo
from lpnet.errors import FileFormatError
from lpnet.space import limits
from lpnet.space.blocks import partition
from lpnet.space.graph import Graph, Node
from lpnet.space.space import Space
from lpnet.space.template import Template

Edit = Callable[[onnx.ModelProto, dict[str, Any]], None]


def edited(space: Space, edit: Edit) -> bytes:
    """The file of a space after an edit of its model and of lpnet's metadata."""
    model = space.to_onnx()
    meta = json.loads(model.metadata_props[0].value)
    edit(model, meta)
    model.metadata_props[0].value = json.dumps(meta)
    data: bytes = model.SerializeToString()
    return data


def _outside(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "axes")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    model.graph.initializer.append(tensor)


def _outside_in_an_attribute(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    tensor = onnx.TensorProto(name="inner", data_location=onnx.TensorProto.EXTERNAL)
    model.graph.node[0].attribute.append(helper.make_attribute("value", tensor))


def _subgraph(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", body))


def _huge_constant(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    tensor = onnx.TensorProto(name="huge", data_type=onnx.TensorProto.FLOAT)
    tensor.dims.extend([1 << 40, 1 << 20])
    model.graph.initializer.append(tensor)


def _many_nodes(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    model.graph.node.extend([onnx.NodeProto(op_type="Relu")] * (limits.MAX_NODES + 1))


def _long_name(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    model.graph.node[0].name = "n" * 501


def _function(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    model.functions.add(name="f")


def _long_attribute(model: onnx.ModelProto, _: dict[str, Any]) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("more", [1] * 65))


def _wide(_: onnx.ModelProto, meta: dict[str, Any]) -> None:
    meta["widths"][0]["max"] = 10**9


def _digits(_: onnx.ModelProto, meta: dict[str, Any]) -> None:
    meta["batch"] = 10**4000


def _words(_: onnx.ModelProto, meta: dict[str, Any]) -> None:
    meta["widths"][0]["max"] = "16"


def _segments(_: onnx.ModelProto, meta: dict[str, Any]) -> None:
    meta["dims"]["many"] = [[None, 1, 1]] * 2000


def _surrogate(_: onnx.ModelProto, meta: dict[str, Any]) -> None:
    meta["name"] = "\ud800"


EDITS = [
    _outside, _outside_in_an_attribute, _subgraph, _huge_constant, _many_nodes, _long_name,
    _function, _long_attribute, _wide, _digits, _words, _segments, _surrogate,
]  # fmt: skip


@pytest.fixture(scope="module")
def space() -> Space:
    return zoo.space("resnet20")


@pytest.mark.parametrize("edit", EDITS)
def test_what_no_space_has_is_refused(space: Space, edit: Edit) -> None:
    with pytest.raises(FileFormatError):
        Space.from_bytes(edited(space, edit))


def test_a_path_in_a_file_is_not_opened(space: Space) -> None:
    opened: list[str] = []
    listening = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event in ("open", "socket.connect"):
            opened.append(str(arguments[0]))

    # It cannot be taken away again; it only stops listening.
    sys.addaudithook(hear)
    for edit in (_outside, _outside_in_an_attribute):
        with pytest.raises(FileFormatError, match="another file"):
            Space.from_bytes(edited(space, edit))
    listening = False
    assert not [name for name in opened if "hostname" in name]


@pytest.mark.parametrize("where", ["constant", "subgraph", "function", "sparse", "list"])
def test_data_in_another_file_is_found_wherever_it_is(where: str) -> None:
    outside = onnx.TensorProto(name="w", data_location=onnx.TensorProto.EXTERNAL)
    node = helper.make_node("Constant", [], ["c"])
    graph = helper.make_graph([node], "g", [], [])
    model = onnx.ModelProto(graph=graph)
    assert limits.external_tensor(model) is None
    if where == "constant":
        model.graph.node[0].attribute.append(helper.make_attribute("value", outside))
    elif where == "subgraph":
        inner = helper.make_graph([], "inner", [], [], initializer=[outside])
        model.graph.node[0].attribute.append(helper.make_attribute("body", inner))
    elif where == "function":
        node.attribute.append(helper.make_attribute("value", outside))
        model.functions.add(name="f").node.append(node)
    elif where == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(outside)
    else:
        model.graph.node[0].attribute.append(
            onnx.AttributeProto(name="v", type=onnx.AttributeProto.TENSORS, tensors=[outside])
        )
    assert limits.external_tensor(model) == "w"


@pytest.mark.parametrize("where", ["meta", "norms"])
def test_endless_nesting_is_refused(space: Space, where: str) -> None:
    model = space.to_onnx()
    deep = "[" * 100_000
    if where == "meta":
        model.metadata_props[0].value = deep
    else:
        for node in model.graph.node:
            for prop in node.metadata_props:
                if prop.key == "norms":
                    prop.value = deep
    with pytest.raises(FileFormatError):
        Space.from_bytes(model.SerializeToString())


def test_a_network_that_nobody_could_hold_is_refused() -> None:
    """Consistent in itself, of a few hundred bytes, with a right hash, and 4 TB of weights."""
    nodes = tuple(Node(f"m.{i}", "conv2d", (i - 1,), 1_000_000, module=f"m.{i}") for i in range(2))
    graph = Graph(nodes, 1_000_000, 8, 8)
    solution = solve(graph)
    template = Template(graph, solution.widths, solution.input, solution.axes)
    data = Space("huge", template, partition(template)).to_bytes()
    assert len(data) < 4096
    with pytest.raises(FileFormatError, match="500 million parameters"):
        Space.from_bytes(data)


@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8), st.integers(0, 64)),
        min_size=1,
        max_size=8,
    )
)
@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_bytes_are_refused_or_a_space(
    space: Space, edits: list[tuple[int, bytes, int]]
) -> None:
    """Replaced, inserted, cut: nothing but FileFormatError comes out."""
    data = bytearray(space.to_bytes())
    for place, new, cut in edits:
        start = place % (len(data) + 1)
        data[start : start + cut] = new
    try:
        Space.from_bytes(bytes(data))
    except FileFormatError:
        return


_BOMBS = {
    "nodes": "field(7, field(1, b'') * n)",
    "constants": "field(7, field(5, b'') * n)",
    "inputs": "field(7, field(11, b'') * n)",
    "attributes": "field(7, field(1, field(5, b'') * n))",
    "dims": "field(7, field(5, field(1, b'\\x01' * 2 * n)))",
    "names": "field(7, field(1, field(1, b'') * n))",
    "functions": "field(25, b'') * n",
    "deep": "deep(n)",
}
_CODE = """
import resource, sys
from lpnet.errors import FileFormatError
from lpnet.space.space import Space

def varint(x):
    out = b""
    while x > 127:
        out += bytes([x & 127 | 128]); x >>= 7
    return out + bytes([x])

def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload

def deep(n):
    graph = b""
    while len(graph) < 30_000:
        graph = field(1, field(5, field(6, graph)))
    return field(7, graph)

n = 1 << 20
data = %s
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Space.from_bytes(data)
except FileFormatError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
"""


@pytest.mark.parametrize("bomb", sorted(_BOMBS))
def test_two_mebibytes_take_no_gigabytes(bomb: str) -> None:
    """As large as the service takes a space file; in a process that may have 2 GiB and 20 s."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE % _BOMBS[bomb]],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (20, 20)),
    )
    assert int(done.stdout) < 400, done.stdout
