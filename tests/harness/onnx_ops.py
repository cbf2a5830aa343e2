"""Networks of a few ONNX ops, and whether a runtime computes what ONNX Runtime does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lpnet_agent.runtimes.base import RuntimeConfig
from lpnet_agent.runtimes.filling import random_input
from lpnet_agent.runtimes.graph import read_network
from lpnet_agent.runtimes.registry import create_runtime

Floats = NDArray[np.float32]
RNG = np.random.default_rng(20)


def floats(*shape: int) -> Floats:
    return RNG.standard_normal(shape).astype(np.float32)


def scalar(value: float) -> Floats:
    return np.array(value, dtype=np.float32)


def onnx_model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    constants: dict[str, NDArray[Any]],
    outputs: tuple[str, ...] = ("y",),
    opset: int = 20,
    types: Mapping[str, int] | None = None,
) -> bytes:
    """Inputs are of float32, except for those in `types`."""
    kinds = {name: (types or {}).get(name, TensorProto.FLOAT) for name in inputs}
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info(n, kinds[n], s) for n, s in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    data: bytes = onnx.shape_inference.infer_shapes(model).SerializeToString()
    return data


def one_op(
    op: str,
    shape: tuple[int, ...],
    *constants: NDArray[Any] | None,
    opset: int = 20,
    **attributes: Any,
) -> bytes:
    """A network of one node; a constant that is None is an input left out."""
    names = [f"c{index}" if c is not None else "" for index, c in enumerate(constants)]
    weights = {f"c{index}": c for index, c in enumerate(constants) if c is not None}
    node = helper.make_node(op, ["x", *names], ["y"], name="the_node", **attributes)
    return onnx_model([node], {"x": shape}, weights, opset=opset)


def agree(data: bytes, runtime: str = "torch", **options: str) -> None:
    """It computes what ONNX Runtime computes, on an input that neither has seen."""
    inputs = {
        tensor.name: random_input(tensor.shape, tensor.dtype, RNG)
        for tensor in read_network(data, "test", types=None).inputs
    }
    expected = create_runtime("onnxruntime", RuntimeConfig(1)).load(data).infer(inputs)
    outputs = create_runtime(runtime, RuntimeConfig(1, options=options)).load(data).infer(inputs)
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected, strict=True):
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        scale = np.abs(theirs).max(initial=0.0)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * scale)
