"""LiteRT as a runtime, and the files that are written for it."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference
from tests.harness.budget import examples

from lpnet import zoo
from lpnet.space.space import Space
from lpnet_agent.errors import OutOfMemory, RuntimeFailed, SetupError
from lpnet_agent.runtimes.base import InferenceSession, RuntimeConfig
from lpnet_agent.runtimes.litert.runtime import LiteRt
from lpnet_agent.runtimes.litert.writer import tflite
from lpnet_agent.runtimes.registry import create_runtime

Array = NDArray[Any]
Node = onnx.NodeProto
DELEGATES = ("xnnpack", "none")
SHAPE = (2, 6, 7, 5)
RNG = np.random.default_rng(3)
OPS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


def network(
    nodes: Sequence[Node],
    constants: Mapping[str, Array] | None = None,
    shape: Sequence[int] = SHAPE,
    outputs: Sequence[str] = ("y",),
) -> bytes:
    """An ONNX network from `x` to `y`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    data: bytes = shape_inference.infer_shapes(model).SerializeToString()
    return data


def node(op: str, inputs: str, output: str = "y", **attributes: Any) -> Node:
    """An op whose inputs are named in one string; a dash stands for one that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, [output], name=f"the {op}", **attributes)


def drawn(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def session(model: bytes, delegate: str = "xnnpack", threads: int = 1) -> InferenceSession:
    return LiteRt(RuntimeConfig(threads, options={"delegate": delegate})).load(model)


def agrees(model: bytes, delegate: str = "xnnpack", scale: float = 3.0) -> None:
    """LiteRT and ONNX Runtime give the same, for an input of about `scale`."""
    loaded = onnx.load_from_string(model)
    shape = [side.dim_value for side in loaded.graph.input[0].type.tensor_type.shape.dim]
    name = loaded.graph.input[0].name
    x = drawn(*shape) * np.float32(scale)
    expected = create_runtime("onnxruntime", RuntimeConfig(1)).load(model).infer({name: x})
    outputs = session(model, delegate).infer({name: x})
    assert [tensor.shape for tensor in outputs] == [tensor.shape for tensor in expected]
    for mine, other in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


def written(model: bytes) -> Any:
    """The first graph of the file that is written for a network."""
    return schema.ModelT.InitFromPackedBuf(tflite(model)).subgraphs[0]


def ops(model: bytes) -> list[str]:
    """What the file that is written for a network executes."""
    file = schema.ModelT.InitFromPackedBuf(tflite(model))
    return [
        OPS[file.operatorCodes[tensor.opcodeIndex].builtinCode]
        for tensor in file.subgraphs[0].operators
    ]


def fusion(model: bytes, index: int = -1) -> int:
    """The activation that an op of the file does by itself."""
    number: int = written(model).operators[index].builtinOptions.fusedActivationFunction
    return number


CONV = {"w": drawn(8, 6, 3, 3) / 7, "b": drawn(8)}


def clip(
    low: float | None, high: float | None, source: str = "x"
) -> tuple[Node, dict[str, Array]]:
    bounds = {"low": low, "high": high}
    names = [name if bound is not None else "-" for name, bound in bounds.items()]
    constants = {
        name: np.array(bound, np.float32) for name, bound in bounds.items() if bound is not None
    }
    return node("Clip", f"{source} {' '.join(names)}"), constants


ACTIVATIONS = [
    (node("Relu", "x"), ["RELU"]),
    (node("Sigmoid", "x"), ["LOGISTIC"]),
    (node("Tanh", "x"), ["TANH"]),
    (node("HardSwish", "x"), ["HARD_SWISH"]),
    (node("HardSigmoid", "x"), ["MUL", "ADD", "MUL"]),
    (node("HardSigmoid", "x", alpha=0.166667, beta=0.5), ["ADD", "MUL"]),
    (node("LeakyRelu", "x"), ["LEAKY_RELU"]),
    (node("LeakyRelu", "x", alpha=0.3), ["LEAKY_RELU"]),
    (node("Elu", "x"), ["ELU"]),
    (node("Elu", "x", alpha=0.4), ["MINIMUM", "ELU", "MUL", "RELU", "ADD"]),
    (node("Gelu", "x"), ["GELU"]),
    (node("Gelu", "x", approximate="tanh"), ["GELU"]),
]


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("shape", [SHAPE, (3, 10)])
@pytest.mark.parametrize(("activation", "operators"), ACTIVATIONS)
def test_an_activation(
    activation: Node, operators: list[str], shape: Sequence[int], delegate: str
) -> None:
    model = network([activation], shape=shape)
    assert ops(model) == operators
    agrees(model, delegate)


CLIPS = [
    (0.0, None, ["RELU"]),
    (0.0, 6.0, ["RELU6"]),
    (-1.0, 1.0, ["RELU_N1_TO_1"]),
    (0.0, 1.0, ["RELU_0_TO_1"]),
    (-0.5, 2.0, ["MAXIMUM", "MINIMUM"]),
    (-2.0, None, ["MAXIMUM"]),
    (None, 1.5, ["MINIMUM"]),
    (None, None, ["MINIMUM"]),
]


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize(("low", "high", "operators"), CLIPS)
def test_a_clip(
    low: float | None, high: float | None, operators: list[str], delegate: str
) -> None:
    clip_node, constants = clip(low, high)
    model = network([clip_node], constants)
    assert ops(model) == operators
    agrees(model, delegate)


def test_bounds_of_a_clip_may_be_attributes() -> None:
    model = onnx.load_from_string(network([node("Relu", "x", "a"), node("Relu", "a")]))
    model.graph.node[1].CopyFrom(node("Clip", "a", min=-1.0, max=0.5))
    model.opset_import[0].version = 10
    model.ir_version = 5
    agrees(model.SerializeToString())


@pytest.mark.parametrize("before", ["Conv", "Gemm", "Add", "Mul", "MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("low", "high", "code"),
    [(0.0, None, "RELU"), (0.0, 6.0, "RELU6"), (-1.0, 1.0, "RELU_N1_TO_1")],
)
def test_an_op_does_the_activation_after_it(
    before: str, low: float, high: float | None, code: str
) -> None:
    shape: Sequence[int] = SHAPE
    constants: dict[str, Array] = {}
    match before:
        case "Conv":
            first, constants = node("Conv", "x w b", "a"), CONV
        case "Gemm":
            shape = (2, 6)
            first, constants = node("Gemm", "x w", "a", transB=1), {"w": drawn(8, 6)}
        case "Add" | "Mul":
            first = node(before, "x x", "a")
        case _:
            first = node(before, "x", "a", kernel_shape=[2, 2])
    second, bounds = clip(low, high, "a")
    model = network([first, second], {**constants, **bounds}, shape)
    assert len(ops(model)) == 1
    assert fusion(model) == getattr(schema.ActivationFunctionType, code)
    agrees(model)


def test_an_activation_of_what_others_read_too_is_an_op() -> None:
    relu = node("Relu", "a", "r")
    model = network([node("Conv", "x w b", "a"), relu, node("Add", "a r")], CONV)
    assert ops(model) == ["CONV_2D", "RELU", "ADD"]
    agrees(model)
    model = network([node("Conv", "x w b", "a"), relu], CONV, outputs=("a", "r"))
    assert ops(model) == ["CONV_2D", "RELU"]
    agrees(model)


def test_a_silu_is_a_sigmoid_and_a_product() -> None:
    model = network([node("Sigmoid", "x", "gate"), node("Mul", "x gate")])
    assert ops(model) == ["LOGISTIC", "MUL"]
    agrees(model)


@st.composite
def windows(draw: st.DrawFn, *, pool: bool = False) -> tuple[list[int], dict[str, Any]]:
    """The size of an image, and the attributes of a window that fits into it: pixels that a pool
    pads are fewer than its own, and it has no dilation."""
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride = draw(pairs)
    dilation = (1, 1) if pool else draw(pairs)
    max_pads = [min(2, k // 2) if pool else 2 for k in kernel]
    before, after = (tuple(draw(st.integers(0, max_pads[axis])) for axis in (0, 1)) for _ in "ba")
    if draw(st.booleans()):
        after = before
    size = []
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        size.append(draw(st.integers(max(1, reach - before[axis] - after[axis]), 14)))
    attributes = {
        "kernel_shape": kernel,
        "strides": stride,
        "dilations": dilation,
        "pads": (*before, *after),
    }
    return size, attributes


@examples(200)
@given(
    windows(),
    st.integers(1, 3),
    st.sampled_from(["plain", "grouped", "depthwise"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(DELEGATES),
)
def test_a_conv(
    window: tuple[list[int], dict[str, Any]],
    batch: int,
    kind: str,
    c_in: int,
    c_out: int,
    biased: bool,
    delegate: str,
) -> None:
    size, attributes = window
    channels = 2 * c_in
    groups = {"plain": 1, "grouped": 2, "depthwise": channels}[kind]
    constants = {"w": drawn(groups * c_out, channels // groups, *attributes["kernel_shape"])}
    if biased:
        constants["b"] = drawn(groups * c_out)
    conv = node("Conv", "x w b" if biased else "x w", group=groups, **attributes)
    model = network([conv], constants, (batch, channels, *size))
    agrees(model, delegate, scale=1.0)


def last_is_inside(
    size: list[int],
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> bool:
    """Whether the last window of a pool with ceil_mode starts in the image: else ONNX and ONNX
    Runtime disagree on whether it counts."""
    for axis in (0, 1):
        room = size[axis] + pads[axis] + pads[axis + 2] - kernel_shape[axis]
        if -(-room // strides[axis]) * strides[axis] >= size[axis] + pads[axis]:
            return False
    return True


@examples(200)
@given(windows(pool=True), st.integers(1, 2), st.booleans(), st.sampled_from(DELEGATES))
def test_a_max_pool(
    window: tuple[list[int], dict[str, Any]], batch: int, ceil: bool, delegate: str
) -> None:
    size, attributes = window
    assume(not ceil or last_is_inside(size, **attributes))
    pool = node("MaxPool", "x", ceil_mode=int(ceil), **attributes)
    agrees(network([pool], shape=(batch, 5, *size)), delegate)


@examples(200)
@given(
    windows(pool=True),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.sampled_from(DELEGATES),
)
def test_an_average_pool(
    window: tuple[list[int], dict[str, Any]],
    batch: int,
    ceil: bool,
    include: bool,
    delegate: str,
) -> None:
    size, attributes = window
    assume(not ceil or last_is_inside(size, **attributes))
    pool = node(
        "AveragePool", "x", ceil_mode=int(ceil), count_include_pad=int(include), **attributes
    )
    agrees(network([pool], shape=(batch, 5, *size)), delegate)


@pytest.mark.parametrize("rule", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_may_be_given_as_a_rule(rule: str, stride: int) -> None:
    conv = node("Conv", "x w b", auto_pad=rule, strides=[stride, stride])
    agrees(network([conv], CONV, (1, 6, 8, 9)))


def test_padding_is_an_op_only_where_litert_pads_in_another_way() -> None:
    def padding(size: int, **attributes: Any) -> list[str]:
        conv = node("Conv", "x w b", **attributes)
        return ops(network([conv], CONV, (1, 6, size, size)))

    assert padding(8, pads=[1] * 4) == ["CONV_2D"]
    assert padding(9, pads=[1] * 4, strides=[2, 2]) == ["CONV_2D"]
    assert padding(8, pads=[1] * 4, strides=[2, 2]) == ["PAD", "CONV_2D"]
    assert padding(8, strides=[2, 2]) == ["CONV_2D"]


def test_only_zeros_are_padded_for_a_conv_and_never_the_largest_of_a_pool() -> None:
    pool = node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    model = network([pool], shape=(1, 3, 8, 8))
    assert ops(model) == ["PADV2", "MAX_POOL_2D"]
    x = -1 - np.abs(drawn(1, 3, 8, 8))
    (outputs,) = session(model).infer({"x": x})
    assert outputs.max() < -1


@pytest.mark.parametrize(
    ("include", "stride", "operators"),
    [
        (0, 1, ["AVERAGE_POOL_2D"]),
        (0, 2, ["PAD", "AVERAGE_POOL_2D", "MUL"]),
        (1, 1, ["PAD", "AVERAGE_POOL_2D"]),
        (1, 2, ["PAD", "AVERAGE_POOL_2D"]),
    ],
)
def test_an_average_is_scaled_only_where_litert_counts_other_pixels(
    include: int, stride: int, operators: list[str]
) -> None:
    pool = node(
        "AveragePool",
        "x",
        kernel_shape=[3, 3],
        strides=[stride, stride],
        pads=[1] * 4,
        count_include_pad=include,
    )
    model = network([pool], shape=(1, 3, 8, 8))
    assert ops(model) == operators
    agrees(model)


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [None, (4,), (1, 4), (1,), ()])
def test_a_linear_layer(bias: tuple[int, ...] | None, transposed: int, delegate: str) -> None:
    constants = {"w": drawn(4, 10) if transposed else drawn(10, 4)}
    if bias is not None:
        constants["b"] = np.asarray(drawn(*bias), np.float32)
    gemm = node(
        "Gemm", "x w b" if bias is not None else "x w", transB=transposed, alpha=0.5, beta=2.0
    )
    agrees(network([gemm], constants, (3, 10)), delegate)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("flatten", ["Flatten", "Reshape"])
def test_a_linear_layer_reads_a_flattened_image_in_the_order_of_onnx(
    flatten: str, batch: int
) -> None:
    constants: dict[str, Array] = {"w": drawn(4, 6 * 7 * 5), "shape": np.array([batch, -1])}
    inputs = "x shape" if flatten == "Reshape" else "x"
    nodes = [node(flatten, inputs, "flat"), node("Gemm", "flat w", transB=1)]
    model = network(nodes, constants, (batch, 6, 7, 5))
    assert ops(model) == ["RESHAPE", "FULLY_CONNECTED"]
    agrees(model)


@pytest.mark.parametrize(
    ("shape", "operators"),
    [
        (SHAPE, ["TRANSPOSE", "RESHAPE"]),
        ((2, 6, 1, 1), ["RESHAPE"]),
        ((2, 1, 3, 4), ["RESHAPE"]),
        ((2, 9), ["RESHAPE"]),
    ],
)
def test_a_flattened_image_that_no_linear_layer_reads(
    shape: Sequence[int], operators: list[str]
) -> None:
    model = network([node("Flatten", "x")], shape=shape)
    assert ops(model) == operators
    agrees(model)


def test_a_flattened_image_that_others_read_too() -> None:
    nodes = [
        node("Flatten", "x", "flat"),
        node("Gemm", "flat w", "z", transB=1),
        node("Tanh", "flat", "y"),
    ]
    model = network(nodes, {"w": drawn(4, 6 * 7 * 5)}, outputs=("z", "y"))
    assert ops(model) == ["TRANSPOSE", "RESHAPE", "FULLY_CONNECTED", "TANH"]
    agrees(model)


def norm(channels: int) -> dict[str, Array]:
    gain, variance = RNG.uniform(0.5, 2.0, (2, channels)).astype(np.float32)
    return {"gain": gain, "bias": drawn(channels), "mean": drawn(channels), "variance": variance}


NORM = "gain bias mean variance"


@pytest.mark.parametrize("shape", [SHAPE, (3, 6)])
def test_a_batch_norm_of_its_own_is_a_product_and_a_sum(shape: Sequence[int]) -> None:
    nodes = [
        node("BatchNormalization", f"x {NORM}", "n", epsilon=0.1),
        node("Relu", "n"),
    ]
    model = network(nodes, norm(6), shape)
    assert ops(model) == ["MUL", "ADD"]
    agrees(model)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_batch_norm_after_a_conv_is_in_its_weights(groups: int) -> None:
    constants = {"w": drawn(12, 6 // groups, 3, 3), "b": drawn(12), **norm(12)}
    nodes = [
        node("Conv", "x w b", "a", group=groups),
        node("BatchNormalization", f"a {NORM}", "n"),
        node("Relu", "n"),
    ]
    model = network(nodes, constants)
    assert len(ops(model)) == 1
    agrees(model)


def test_a_batch_norm_after_a_linear_layer_is_in_its_weights() -> None:
    nodes = [
        node("Gemm", "x w", "a", transB=1),
        node("BatchNormalization", f"a {NORM}"),
    ]
    model = network(nodes, {"w": drawn(5, 9), **norm(5)}, (2, 9))
    assert ops(model) == ["FULLY_CONNECTED"]
    agrees(model)


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 7, 5), (5,), ()])
def test_arithmetic_with_a_constant(op: str, shape: tuple[int, ...], delegate: str) -> None:
    constants = {"c": np.asarray(drawn(*shape), np.float32)}
    agrees(network([node(op, "x c")], constants), delegate)


def test_channels_may_be_scaled_by_a_tensor() -> None:
    nodes = [node("GlobalAveragePool", "x", "a"), node("Sigmoid", "a", "s"), node("Mul", "x s")]
    agrees(network(nodes))


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("keep", [0, 1])
def test_a_mean_over_the_image(keep: int, delegate: str) -> None:
    agrees(network([node("GlobalAveragePool", "x")]), delegate)
    constants = {"axes": np.array([-1, 2])}
    agrees(network([node("ReduceMean", "x axes", keepdims=keep)], constants), delegate)


@pytest.mark.parametrize("shape", [SHAPE, (2, 9)])
def test_concatenation_of_channels(shape: Sequence[int]) -> None:
    nodes = [node("Relu", "x", "a"), node("Concat", "x a x", axis=1)]
    agrees(network(nodes, shape=shape))


ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric"}


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize(
    ("scales", "attributes", "op"),
    [
        ([1, 1, 2, 2], ASYMMETRIC | {"nearest_mode": "floor"}, "RESIZE_NEAREST_NEIGHBOR"),
        ([1, 1, 3, 2], {}, "RESIZE_NEAREST_NEIGHBOR"),
        ([1, 1, 2, 3], {"mode": "linear"}, "RESIZE_BILINEAR"),
    ],
)
def test_a_resize(scales: list[float], attributes: dict[str, Any], op: str, delegate: str) -> None:
    model = network(
        [node("Resize", "x - scales", **attributes)], {"scales": np.array(scales, np.float32)}
    )
    assert ops(model) == [op]
    agrees(model, delegate)


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("inputs", ["x w", "x w b"])
def test_a_transposed_conv(inputs: str, delegate: str) -> None:
    weights = {"w": drawn(6, 4, 3, 2), "b": drawn(4)}
    constants = {name: weights[name] for name in inputs.split()[1:]}
    model = network([node("ConvTranspose", inputs, strides=[2, 3])], constants)
    assert ops(model) == ["TRANSPOSE_CONV"]
    agrees(model, delegate)


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize(
    ("shape", "cut"),
    [
        (SHAPE, ([2], [5], [1], [1])),
        (SHAPE, ([0, 1], [100, -1], [1, 3], [2, 3])),
        ((3, 10), ([-4], [10], [-1], [2])),
    ],
)
def test_a_slice(shape: Sequence[int], cut: tuple[list[int], ...], delegate: str) -> None:
    bounds = {name: np.array(n) for name, n in zip("sean", cut, strict=True)}
    model = network([node("Slice", "x s e a n")], bounds, shape)
    assert ops(model) == ["STRIDED_SLICE"]
    agrees(model, delegate)


def test_an_identity_is_no_op() -> None:
    nodes = [node("Tanh", "x", "a"), node("Identity", "a", "b"), node("Sigmoid", "b")]
    model = network(nodes)
    assert ops(model) == ["TANH", "LOGISTIC"]
    agrees(model)


def pruned(space: Space, seed: int, batch: int) -> bytes:
    """A network of a space at random widths, a fifth of it or less."""
    rng = np.random.default_rng(seed)
    widths = {
        width.name: max(1, int(rng.uniform(0.02, 0.2) * width.max) // width.granule)
        * width.granule
        for width in space.widths
    }
    data: bytes = space.concrete(widths, seed=seed, batch=batch).SerializeToString()
    return data


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2_32", "vgg16_bn"])
def test_networks_at_random_widths(name: str, batch: int) -> None:
    space = zoo.space(name)
    for seed in (0, 1):
        agrees(pruned(space, seed, batch), scale=1.0)


def test_every_block_of_a_space() -> None:
    for space in (zoo.space("resnet20"), zoo.space("mobilenet_v2_32")):
        for block in space.blocks:
            agrees(pruned(space.block(block.name), 2, 1), scale=1.0)


def test_the_same_network_gives_the_same_bytes() -> None:
    model = pruned(zoo.space("resnet20"), 0, 1)
    assert tflite(model) == tflite(bytes(bytearray(model)))


def test_constants_are_aligned() -> None:
    data = tflite(pruned(zoo.space("resnet20"), 0, 1))
    model = schema.Model.GetRootAs(data)
    start = np.frombuffer(data, np.uint8).ctypes.data
    filled = 0
    for index in range(model.BuffersLength()):
        content = model.Buffers(index).DataAsNumpy()
        if isinstance(content, np.ndarray):
            filled += 1
            assert (content.ctypes.data - start) % 16 == 0
    assert filled > 20


def test_the_input_and_the_output_are_images_with_channels_last() -> None:
    (
        interpreter := Interpreter(model_content=tflite(network([node("Relu", "x")])))
    ).allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (source["name"], result["name"]) == ("x", "y")
    assert tuple(source["shape"]) == tuple(result["shape"]) == (2, 7, 5, 6)


OTHER = [
    (network([node("Softplus", "x")]), r"Softplus 'the Softplus'"),
    (
        network(
            [node("Slice", "x s e a n")],
            {"s": np.array([-1]), "e": np.array([-9]), "a": np.array([1]), "n": np.array([-1])},
        ),
        "Slice .*backwards",
    ),
    (
        network([node("ConvTranspose", "x w", pads=[1, 1, 1, 1])], {"w": drawn(6, 4, 3, 3)}),
        "ConvTranspose .*pads",
    ),
    (
        network(
            [node("Resize", "x - s", mode="cubic")], {"s": np.array([1, 1, 2, 2], np.float32)}
        ),
        "Resize .*cubic",
    ),
    (network([node("Flatten", "x", axis=2)]), r"Flatten 'the Flatten'.*\(batch, features\)"),
    (network([node("ReduceMean", "x", keepdims=1)]), r"ReduceMean .*height and width"),
    (network([node("Concat", "x x", axis=3)]), r"Concat .*channels or features"),
    (network([node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2])]), "MaxPool.*dilation"),
    (network([node("Gemm", "x x", transB=1)], shape=(3, 3)), r"Gemm .*'x' is not a .*constant"),
    (network([node("Gemm", "x w", transA=1)], {"w": drawn(3, 4)}, (3, 5)), "Gemm .*transposed"),
    (
        network(
            [node("MaxPool", "x", kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1)],
            shape=(1, 1, 8, 8),
        ),
        r"MaxPool .*ceil_mode",
    ),
    (network([node("Relu", "x")], shape=(1, 6, 7)), r"Relu .*'y'.*\(1, 6, 7\)"),
    (network([node("Conv", "x w")], {"w": drawn(4, 5, 3, 3)}), "Conv .*does not fit 6 channels"),
]


@pytest.mark.parametrize(("model", "reason"), OTHER, ids=[reason for _, reason in OTHER])
def test_what_cannot_be_written_is_named(model: bytes, reason: str) -> None:
    with pytest.raises(RuntimeFailed, match=reason):
        tflite(model)


def test_a_network_is_handed_to_xnnpack_as_a_whole() -> None:
    interpreter = Interpreter(model_content=tflite(pruned(zoo.space("resnet20"), 0, 1)))
    interpreter.allocate_tensors()
    names = [op["op_name"] for op in interpreter._get_ops_details()]
    assert names.count("DELEGATE") == 1
    # It hands on what the last op, a linear layer, would have.
    assert names[-2] == "FULLY_CONNECTED"
    details = interpreter._get_ops_details()
    assert list(details[-1]["outputs"]) == list(details[-2]["outputs"])
    assert interpreter.get_input_details()[0]["index"] in details[-1]["inputs"]


def test_the_runtime_says_what_it_is() -> None:
    info = create_runtime("litert", RuntimeConfig(2)).describe()
    assert (info.name, info.version) == ("litert", ai_edge_litert.__version__)
    assert (info.provider, info.precision, info.threads) == ("cpu", "fp32", 2)
    assert (info.options, info.variant) == ({"delegate": "xnnpack"}, "")
    plain = create_runtime("litert", RuntimeConfig(1, options={"delegate": "none"})).describe()
    assert (plain.options, plain.variant) == ({"delegate": "none"}, "nodelegate")


@pytest.mark.parametrize("options", [{"delegate": "gpu"}, {"delegation": "none"}])
def test_an_option_that_there_is_not_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(SetupError, match="delegat"):
        create_runtime("litert", RuntimeConfig(1, options=options))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("delegate", DELEGATES)
def test_what_is_timed_has_the_same_input_every_time(threads: int, delegate: str) -> None:
    loaded = session(network([node("Conv", "x w b")], CONV), delegate, threads)
    x = drawn(*SHAPE)
    (before,) = loaded.infer({"x": x})
    loaded.run(5)
    (drawn_again,) = loaded.infer({})
    (after,) = loaded.infer({"x": x})
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(drawn_again, after)
    loaded.run(1)
    (the_same,) = loaded.infer({})
    np.testing.assert_array_equal(drawn_again, the_same)


def test_it_keeps_quiet() -> None:
    # In a process of its own: what LiteRT has to say it says once.
    code = (
        "from lpnet_agent.runtimes.base import RuntimeConfig\n"
        "from lpnet_agent.runtimes.registry import create_runtime\n"
        "create_runtime('litert', RuntimeConfig(1))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(RuntimeFailed, match="litert cannot load"):
        LiteRt(RuntimeConfig(1)).load(b"not a model")


def test_an_input_of_the_wrong_shape_is_refused() -> None:
    loaded = session(network([node("Relu", "x")]))
    with pytest.raises(RuntimeFailed, match="litert cannot run"):
        loaded.infer({"x": drawn(1, 2, 3, 4)})


@contextmanager
def little_memory(spare: int) -> Iterator[None]:
    """No more than so many bytes beside those that this process has now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("inside", [False, True])
def test_a_network_that_memory_does_not_hold_is_said_so(inside: bool, delegate: str) -> None:
    if inside:
        nodes = [node("Conv", "x w", "a"), node("GlobalAveragePool", "a")]
        model = network(nodes, {"w": drawn(30000, 1, 1, 1)}, (1, 1, 256, 256))
    else:
        model = network([node("Relu", "x")], shape=(1, 1, 40000, 40000))
    with little_memory(1 << 30), pytest.raises(OutOfMemory, match="litert"):
        session(model, delegate)
