"""Concrete ONNX networks as plain values."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import read_network

WEIGHT = np.random.default_rng(5).standard_normal((64, 3, 3, 3)).astype(np.float32)


def conv(sides: list[int | str], kind: int = TensorProto.FLOAT) -> bytes:
    """A conv with a large weight, and a clip whose bounds are Constant nodes."""
    bounds = [
        helper.make_node(
            "Constant", [], [name], value=numpy_helper.from_array(np.array(value, np.float32))
        )
        for name, value in (("min", 0.0), ("max", 6.0))
    ]
    nodes = [
        *bounds,
        helper.make_node("Conv", ["x", "weight"], ["conv_out"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Clip", ["conv_out", "min", "max"], ["y"], name="clip"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, sides)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [sides[0], 64, *sides[2:]])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def test_nodes_weights_and_shapes_are_there() -> None:
    network = read_network(conv([2, 3, 8, 8]), "torch")
    assert [str(node) for node in network.nodes] == ["Conv 'conv'", "Clip 'clip'"]
    np.testing.assert_array_equal(network.constants["weight"], WEIGHT)
    assert network.constants["max"] == 6.0
    assert network.shapes["conv_out"] == (2, 64, 8, 8)
    assert [(tensor.name, tensor.shape) for tensor in network.inputs] == [("x", (2, 3, 8, 8))]
    assert [(tensor.name, tensor.shape) for tensor in network.outputs] == [("y", (2, 64, 8, 8))]
    node = network.nodes[0]
    assert node.attributes["pads"] == [1, 1, 1, 1]
    assert (node.optional_input(1), node.optional_input(2)) == ("weight", None)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"nonsense", "torch cannot load the network"),
        (conv(["n", 3, 8, 8]), "tensor 'x' has no concrete shape"),
        (conv([1, 3, 8, 8], TensorProto.FLOAT16), "torch cannot load"),
    ],
)
def test_what_cannot_be_read_is_said(model: bytes, message: str) -> None:
    with pytest.raises(RuntimeFailed, match=message):
        read_network(model, "torch")
