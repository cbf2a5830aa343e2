"""Quantised and half-precision ONNX files are named as what they are."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lpnet_agent.offline.network_precision import network_precision
from lpnet_agent.offline.summaries import format_network


def network(weight: onnx.TensorProto, op: str = "MatMul") -> onnx.ModelProto:
    """A network of one op. The runtime would refuse some; only their weights are read."""
    graph = helper.make_graph(
        [helper.make_node(op, ["x", "weight"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [weight, numpy_helper.from_array(np.zeros(2, np.float32), "scale")],
    )
    return helper.make_model(graph)


def weight(kind: type) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones((4, 4), kind), "weight")


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        (network(weight(np.float32)), "fp32"),
        (network(weight(np.float16)), "fp16"),
        (network(weight(np.int8), "QLinearMatMul"), "int8"),
        (network(weight(np.uint8), "DequantizeLinear"), "int8"),
        # Integers of other ops, such as indices, are no precision.
        (network(weight(np.int8), "Gather"), "fp32"),
    ],
)
def test_the_precision_is_the_type_of_most_weights(model: onnx.ModelProto, precision: str) -> None:
    assert network_precision(model) == precision


def test_a_network_without_weights_has_none() -> None:
    model = network(weight(np.float32))
    del model.graph.initializer[:]
    assert network_precision(model) is None


@pytest.mark.parametrize(("precision", "named"), [("int8", True), ("fp32", False), (None, False)])
def test_another_precision_than_that_of_the_target_is_named(
    precision: str | None, named: bool
) -> None:
    summary = {
        "onnx": "mine.onnx",
        "inputs": {"x": [1, 4]},
        "precision": precision,
        "latency_ms": 1.0,
        "count": 50,
        "disturbed": False,
        "target": {"name": "box.onnxruntime.cpu.fp32.t1", "precision": "fp32"},
    }
    assert ("the file is a network in int8" in format_network(summary)) == named
