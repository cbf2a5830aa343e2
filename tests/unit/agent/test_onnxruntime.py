"""ONNX Runtime as a runtime of the agent."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from lpnet_agent.errors import RuntimeFailed, SetupError
from lpnet_agent.runtimes.base import RuntimeConfig
from lpnet_agent.runtimes.onnxruntime import OnnxRuntime, providers
from lpnet_agent.runtimes.registry import create_runtime


def relu(shape: list[int | str], kind: int = TensorProto.FLOAT, op: str = "Relu") -> bytes:
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.fixture
def runtime() -> OnnxRuntime:
    return OnnxRuntime(RuntimeConfig(1))


def test_a_network_runs_as_often_as_asked(runtime: OnnxRuntime) -> None:
    session = runtime.load(relu([2, 3, 4, 4]))
    session.run(1)
    session.run(7)


def test_half_precision_runs_too(runtime: OnnxRuntime) -> None:
    runtime.load(relu([1, 3], TensorProto.FLOAT16)).run(1)


def test_the_runtime_says_what_it_is(runtime: OnnxRuntime) -> None:
    info = runtime.describe()
    assert (info.name, info.provider, info.precision, info.threads) == (
        "onnxruntime",
        "cpu",
        "fp32",
        1,
    )
    assert info.options["graph_optimization"] == "all"
    assert info.version[0].isdigit()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"not a model", "cannot load"),
        (relu([1, 3], op="NoSuchOp"), "cannot load"),
        (relu(["batch", 3]), "no concrete shape"),
        (relu([1, 3], TensorProto.STRING, op="Identity"), r"input 'x' is a tensor\(string\)"),
    ],
)
def test_what_cannot_run_is_said_so(runtime: OnnxRuntime, model: bytes, reason: str) -> None:
    with pytest.raises(RuntimeFailed, match=reason):
        runtime.load(model)


def test_a_network_that_fails_while_it_runs_is_said_so(runtime: OnnxRuntime) -> None:
    ones = helper.make_tensor("shape", TensorProto.INT64, [1], [7])
    graph = helper.make_graph(
        [
            helper.make_node("NonZero", ["x"], ["places"]),
            helper.make_node("Reshape", ["places", "shape"], ["y"]),
        ],
        "cannot be",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [7])],
        [ones],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    with pytest.raises(RuntimeFailed):
        runtime.load(model.SerializeToString()).run(1)


def test_options_are_part_of_what_it_is() -> None:
    chosen = OnnxRuntime(
        RuntimeConfig(1, options={"graph_optimization": "basic", "spinning": "0"})
    )
    info = chosen.describe()
    assert info.variant == "basic-nospinning"
    assert info.options["graph_optimization"] == "basic"
    assert info.options["spinning"] is False
    chosen.load(relu([1, 3])).run(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graph_optimization": "most"}, "graph_optimization of onnxruntime must be one of all"),
        ({"graph_optimisation": "all"}, "no option 'graph_optimisation'"),
    ],
)
def test_an_option_that_is_not_there_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        OnnxRuntime(RuntimeConfig(1, options=options))


def test_what_its_build_lacks_is_said() -> None:
    by_name = {provider.name: provider for provider in providers()}
    assert by_name["cpu"].unavailable is None
    assert by_name["cpu"].precisions == ("fp32", "int8")
    assert set(by_name) == {"cpu", "cuda", "tensorrt"}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "name", ["UINT8", "INT8", "INT64", "INT32", "BOOL", "DOUBLE", "FLOAT16", "UINT16"]
)
def test_inputs_of_other_element_types_are_filled(name: str, runtime: str) -> None:
    model = relu([1, 3], getattr(TensorProto, name), op="Identity")
    create_runtime(runtime, RuntimeConfig(1)).load(model).run(2)


def gather(rows: int, kind: int) -> bytes:
    """Rows of a table, by an index."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [rows, 2], [1.0] * 2 * rows)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["ids"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["y"]),
        ],
        "lookup",
        [helper.make_tensor_value_info("ids", kind, [1, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 12, 2])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8])
def test_indices_are_in_the_range_of_their_table(
    runtime: OnnxRuntime, rows: int, kind: int
) -> None:
    runtime.load(gather(rows, kind)).run(2)


def test_a_size_is_not_zero(runtime: OnnxRuntime) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Range", ["start", "n", "step"], ["r"]),
            helper.make_node("ReduceMax", ["r"], ["y"], keepdims=0),
        ],
        "sizes",
        [helper.make_tensor_value_info("n", TensorProto.INT64, [])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [])],
        [
            helper.make_tensor("start", TensorProto.INT64, [], [0]),
            helper.make_tensor("step", TensorProto.INT64, [], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    runtime.load(model.SerializeToString()).run(2)


def test_an_output_whose_size_depends_on_values_is_allocated(runtime: OnnxRuntime) -> None:
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"]), helper.make_node("Relu", ["x"], ["z"])],
        "detections",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [
            helper.make_tensor_value_info("y", TensorProto.INT64, [2, "n"]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 8]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    runtime.load(model.SerializeToString()).run(3)
