"""Ops without a rule of the solver freeze channels by name. Runtimes run or refuse them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lpnet.space.space import Space
from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import RuntimeConfig
from lpnet_agent.runtimes.registry import NAMES, create_runtime

RUNTIMES = [name for name in NAMES if name != "torch-compile"]
# By op: nodes from the 8 channels `a` to the 8 channels `b`, on 8 x 8 pixels, and constants.
OPS: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    "TopK": (
        [
            helper.make_node("TopK", ["a", "count"], ["b", "indices"], "op", axis=3),
        ],
        {"count": np.array([8], np.int64)},
    ),
    "ScatterND": (
        [helper.make_node("ScatterND", ["a", "where", "values"], ["b"], "op")],
        {
            "where": np.zeros((1, 4), np.int64),
            "values": np.ones(1, np.float32),
        },
    ),
    "MaxUnpool": (
        [
            helper.make_node(
                "MaxPool", ["a"], ["p", "i"], "pool", kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node(
                "MaxUnpool", ["p", "i"], ["b"], "op", kernel_shape=[2, 2], strides=[2, 2]
            ),
        ],
        {},
    ),
}

# The op that a runtime refuses first.
REFUSED = {
    "torch": {"TopK": "TopK 'op'", "ScatterND": "ScatterND 'op'", "MaxUnpool": "MaxPool 'pool'"},
    "litert": {"TopK": "TopK 'op'", "ScatterND": "ScatterND 'op'", "MaxUnpool": "MaxPool 'pool'"},
    "openvino": {"MaxUnpool": r"(?s:.*)MaxUnpool"},
}


def space_of(op: str, folder: Path) -> Space:
    """A conv before the op, and two behind it."""
    rng = np.random.default_rng(0)
    shapes = {"first": (8, 3, 1, 1), "second": (6, 8, 1, 1), "third": (4, 6, 1, 1)}
    weights = {f"{n}.weight": rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    nodes, constants = OPS[op]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "first.weight"], ["a"]),
            *nodes,
            helper.make_node("Conv", ["b", "second.weight"], ["c"]),
            helper.make_node("Conv", ["c", "third.weight"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4, 8, 8])],
        [numpy_helper.from_array(array, n) for n, array in (weights | constants).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "network.onnx")
    return Space.from_onnx(folder / "network.onnx")


@pytest.mark.parametrize("op", OPS)
def test_it_freezes_what_touches_it_and_names_itself(op: str, tmp_path: Path) -> None:
    space = space_of(op, tmp_path)
    assert {width.name: width.max for width in space.widths} == {"second": 6}
    (part,) = (part for part in space.frozen if part.op == op)
    assert (part.node, part.channels) == ("op", 8)
    assert part.reason == f"lpnet has no rule for {op}"
    assert Space.from_bytes(space.to_bytes()) == space


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_computes_it_or_names_it(runtime: str, op: str, tmp_path: Path) -> None:
    data = space_of(op, tmp_path).concrete([3]).SerializeToString()
    image = {"input": np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)}
    (expected,) = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(image)
    if (reason := REFUSED.get(runtime, {}).get(op)) is not None:
        with pytest.raises(RuntimeFailed, match=f"{runtime} cannot load {reason}"):
            create_runtime(runtime, RuntimeConfig(1)).load(data)
        return
    session = create_runtime(runtime, RuntimeConfig(1)).load(data)
    (output,) = session.infer(image)
    np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4)
