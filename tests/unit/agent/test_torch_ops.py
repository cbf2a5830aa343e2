"""PyTorch runs ops of networks of any kind as ONNX Runtime does, or refuses them by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.harness.onnx_ops import agree, floats, one_op, onnx_model, scalar
from torch import nn

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import RuntimeConfig
from lpnet_agent.runtimes.graph import read_network
from lpnet_agent.runtimes.registry import create_runtime
from lpnet_agent.runtimes.torch.network import to_module


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


IMAGE = (2, 6, 8, 10)
SIGNAL = (2, 6, 9)
VOLUME = (2, 4, 5, 6, 7)
TOKENS = (2, 5, 12)


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def several(
    op: str, *shapes: tuple[int, ...], kinds: tuple[int, ...] = (), **attributes: Any
) -> bytes:
    """A network of one node that reads several inputs."""
    names = [f"x{index}" for index in range(len(shapes))]
    node = helper.make_node(op, names, ["y"], name="the_node", **attributes)
    inputs = dict(zip(names, shapes, strict=True))
    return onnx_model([node], inputs, {}, types=dict(zip(names, kinds, strict=False)))


def positive(op: str) -> bytes:
    """An op of values above zero."""
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node(op, ["e"], ["y"])]
    return onnx_model(nodes, {"x": TOKENS}, {})


def resized(scales: list[float] | None, sizes: list[int] | None, **attributes: Any) -> bytes:
    array = None if scales is None else np.array(scales, np.float32)
    return one_op(
        "Resize", (1, 2, 4, 6), None, array, None if sizes is None else ints(*sizes), **attributes
    )


LONG, BOOL, INT, BYTE = (
    getattr(TensorProto, name) for name in ("INT64", "BOOL", "INT32", "UINT8")
)
POINTWISE = {
    **{
        op: one_op(op, TOKENS)
        for op in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Mish", "Neg", "Round", "Selu")
    },
    **{op: one_op(op, TOKENS) for op in ("Sign", "Sin", "Softplus", "Softsign", "Celu")},
    **{op: positive(op) for op in ("Log", "Reciprocal", "Sqrt")},
    **{op: several(op, (2, 1, 3), (4, 1)) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")},
    **{f"{op} of 3": several(op, *[(2, 3)] * 3) for op in ("Sum", "Mean", "Max")},
    **{
        f"{op} of integers": several(op, (3, 4), (3, 4), kinds=(LONG, LONG))
        for op in ("Add", "Sub", "Equal", "Greater", "LessOrEqual")
    },
    **{
        op: several(op, (3, 4), (3, 1), kinds=(BOOL, BOOL)) for op in ("And", "Or", "Xor", "Equal")
    },
    "not": several("Not", (3, 4), kinds=(BOOL,)),
    "add a number": one_op("Add", IMAGE, scalar(0.3)),
    "from a number": onnx_model(
        [helper.make_node("Sub", ["c", "x"], ["y"])], {"x": (2, 3)}, {"c": scalar(1)}
    ),
    "a number that adds axes": one_op("Add", (3,), floats(1, 1)),
    "division of integers": onnx_model(
        [helper.make_node("Sub", ["x", "c"], ["d"]), helper.make_node("Div", ["d", "t"], ["y"])],
        {"x": (3, 4)},
        {"c": ints(5), "t": ints(3)},
        types={"x": LONG},
    ),
    "mod": onnx_model(
        [helper.make_node("Sub", ["x", "c"], ["d"]), helper.make_node("Mod", ["d", "t"], ["y"])],
        {"x": (3, 4)},
        {"c": ints(5), "t": ints(3)},
        types={"x": LONG},
    ),
    "fmod": one_op("Mod", TOKENS, scalar(0.4), fmod=1),
    "power": one_op("Pow", TOKENS, scalar(2)),
    "power to an integer": one_op("Pow", TOKENS, np.array(3, np.int32)),
    "where": several("Where", (2, 1, 3), (2, 4, 3), (3,), kinds=(BOOL,)),
    "mask of minus infinity": onnx_model(
        [
            helper.make_node("Where", ["m", "x", "low"], ["masked"]),
            helper.make_node("Softmax", ["masked"], ["y"]),
        ],
        {"m": (2, 5), "x": (2, 5)},
        {"low": scalar(-3e38)},
        types={"m": BOOL},
    ),
    "cast of bytes": several("Cast", IMAGE, kinds=(BYTE,), to=TensorProto.FLOAT),
    "cast to bool": one_op("Cast", TOKENS, to=BOOL),
    "cast to integers": one_op("Cast", TOKENS, to=INT),
    "prelu": one_op("PRelu", IMAGE, floats(6, 1, 1)),
    "prelu of one slope": one_op("PRelu", IMAGE, floats(1)),
    "prelu per column": one_op("PRelu", IMAGE, floats(10)),
    "thresholded": one_op("ThresholdedRelu", IMAGE, alpha=0.3),
    "dropout": one_op("Dropout", IMAGE),
}
PRODUCTS = {
    "linear": one_op("MatMul", TOKENS, floats(12, 7)),
    "product of tensors": several("MatMul", (2, 3, 5, 4), (2, 3, 4, 6)),
    "product with a batch": several("MatMul", (2, 3, 5, 4), (4, 6)),
    "weights of several": one_op("MatMul", (3, 5, 4), floats(3, 4, 2)),
    "einsum": several("Einsum", (2, 3, 4), (2, 5, 4), equation="bhd,bkd->bhk"),
    "linear with a bias": onnx_model(
        [
            helper.make_node("MatMul", ["x", "w"], ["p"]),
            helper.make_node("Add", ["b", "p"], ["y"]),
        ],
        {"x": TOKENS},
        {"w": floats(12, 7), "b": floats(7)},
    ),
    "product that others read too": onnx_model(
        [
            helper.make_node("MatMul", ["x", "w"], ["p"]),
            helper.make_node("Add", ["p", "b"], ["s"]),
            helper.make_node("Mul", ["p", "s"], ["y"]),
        ],
        {"x": TOKENS},
        {"w": floats(12, 7), "b": floats(7)},
    ),
}
NORMS = {
    "layer norm": one_op("LayerNormalization", TOKENS, floats(12), floats(12), epsilon=1e-3),
    "layer norm without bias": one_op("LayerNormalization", TOKENS, floats(12)),
    "layer norm of two axes": one_op(
        "LayerNormalization", IMAGE, floats(8, 10), floats(8, 10), axis=2
    ),
    "instance norm": one_op("InstanceNormalization", IMAGE, floats(6), floats(6)),
    "instance norm of a signal": one_op("InstanceNormalization", SIGNAL, floats(6), floats(6)),
    "group norm": one_op("GroupNormalization", IMAGE, floats(3), floats(3), num_groups=3),
    "group norm by channels": one_op(
        "GroupNormalization", IMAGE, floats(6), floats(6), num_groups=3, opset=21
    ),
    "softmax": one_op("Softmax", IMAGE, axis=1),
    "softmax of old": one_op("Softmax", (2, 5), opset=11),
    "log softmax": one_op("LogSoftmax", TOKENS),
    "l2 norm": one_op("LpNormalization", TOKENS),
}
MOVES = {
    "transpose": one_op("Transpose", IMAGE, perm=[0, 2, 3, 1]),
    "transpose all": one_op("Transpose", TOKENS),
    "reshape": one_op("Reshape", IMAGE, ints(0, 3, -1)),
    "squeeze": one_op("Squeeze", (2, 1, 3, 1), ints(1)),
    "unsqueeze": one_op("Unsqueeze", (2, 3), ints(0, -1)),
    "flatten from": one_op("Flatten", IMAGE, axis=2),
    "slice": one_op("Slice", IMAGE, ints(1, 2), ints(-1, 100), ints(1, 3), ints(1, 3)),
    "slice backwards": one_op("Slice", IMAGE, ints(-1), ints(-100), ints(2), ints(-2)),
    "slice to nothing": one_op("Slice", IMAGE, ints(3), ints(3), ints(2)),
    "split": onnx_model(
        [helper.make_node("Split", ["x", "n"], ["a", "b", "c"], axis=1)],
        {"x": IMAGE},
        {"n": ints(1, 3, 2)},
        ("a", "b", "c"),
    ),
    "split evenly": onnx_model(
        [helper.make_node("Split", ["x"], ["a", "b"], axis=-1, num_outputs=2)],
        {"x": IMAGE},
        {},
        ("b", "a"),
    ),
    "gather one": one_op("Gather", TOKENS, np.array(-1), axis=1),
    "gather some": one_op("Gather", TOKENS, ints(3, 0, -2), axis=2),
    "gather a table": one_op("Gather", TOKENS, np.array([[0, 1], [3, 2]]), axis=1),
    "embedding": onnx_model(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        {"x": (2, 7)},
        {"table": floats(9, 4)},
        types={"x": LONG},
    ),
    "gather by a tensor": several("Gather", TOKENS, (3, 2), kinds=(1, LONG), axis=2),
    "gather elements": several("GatherElements", (3, 4), (3, 2), kinds=(1, LONG), axis=1),
    "expand": one_op("Expand", (2, 1, 3), ints(1, 4, 1)),
    "tile": one_op("Tile", (2, 3), ints(2, 3)),
    "pad": one_op("Pad", IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 4), scalar(0.5)),
    "pad channels": one_op("Pad", IMAGE, ints(0, 1, 0, 0, 0, 2, 0, 0)),
    "pad some axes": one_op("Pad", IMAGE, ints(1, 2), None, ints(3)),
    "pad by reflection": one_op("Pad", IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 4), mode="reflect"),
    "pad channels by reflection": one_op(
        "Pad", IMAGE, ints(0, 1, 0, 0, 0, 1, 0, 0), mode="reflect"
    ),
    "pad by the edge": one_op("Pad", SIGNAL, ints(0, 0, 1, 0, 0, 3), mode="edge"),
    "crop": one_op("Pad", IMAGE, ints(0, 0, -1, 0, 0, 0, 1, 0)),
    "depth to space": one_op("DepthToSpace", (2, 12, 3, 5), blocksize=2),
    "pixel shuffle": one_op("DepthToSpace", (2, 12, 3, 5), blocksize=2, mode="CRD"),
    "space to depth": one_op("SpaceToDepth", (2, 3, 6, 4), blocksize=2),
    "concat with a constant": one_op("Concat", (2, 1, 3), floats(2, 2, 3), axis=-2),
    "lower triangle": one_op("Trilu", (2, 4, 4), upper=0),
    "upper triangle": one_op("Trilu", (2, 4, 4), np.array(1)),
    "running sum": one_op("CumSum", TOKENS, np.array(1)),
}
REDUCED = {
    **{
        f"{op} over {keepdims}": one_op(op, TOKENS, ints(1, -1), keepdims=keepdims)
        for op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2")
        for keepdims in (0, 1)
    },
    "log of a sum": one_op("ReduceLogSumExp", TOKENS, ints(-1)),
    "sum of squares": one_op("ReduceSumSquare", TOKENS),
    "maximum by attribute": one_op("ReduceMax", TOKENS, axes=[1], opset=13),
    "argmax": one_op("ArgMax", TOKENS, axis=-1, keepdims=0),
    "argmin": one_op("ArgMin", TOKENS),
    "global max pool": one_op("GlobalMaxPool", IMAGE),
}
TRANSPOSED = (floats(6, 4, 3, 3), floats(4))
WINDOWS = {
    "conv of a signal": one_op("Conv", SIGNAL, floats(4, 6, 3), floats(4), pads=[1, 1]),
    "conv of a signal, uneven": one_op("Conv", SIGNAL, floats(4, 6, 3), pads=[2, 0]),
    "conv of a volume": one_op("Conv", VOLUME, floats(3, 4, 3, 3, 3), floats(3), pads=[1] * 6),
    "conv of a volume, uneven": one_op(
        "Conv", VOLUME, floats(3, 4, 1, 2, 3), pads=[0, 1, 2, 1, 0, 0], strides=[1, 2, 1]
    ),
    "transposed conv": one_op("ConvTranspose", IMAGE, *TRANSPOSED, strides=[2, 2]),
    "transposed conv, padded": one_op(
        "ConvTranspose",
        IMAGE,
        *TRANSPOSED,
        strides=[2, 3],
        pads=[1, 0, 1, 0],
        output_padding=[1, 1],
    ),
    "transposed conv, grouped": one_op("ConvTranspose", IMAGE, floats(6, 2, 2, 2), group=3),
    "transposed conv of a signal": one_op("ConvTranspose", SIGNAL, floats(6, 2, 4), strides=[2]),
    "max pool of a signal": one_op("MaxPool", SIGNAL, kernel_shape=[3], strides=[2]),
    "average pool of a volume": one_op("AveragePool", VOLUME, kernel_shape=[2, 2, 2]),
    "global average of a signal": one_op("GlobalAveragePool", SIGNAL),
    "batch norm of a volume": one_op(
        "BatchNormalization", VOLUME, floats(4), floats(4), floats(4), np.abs(floats(4)) + 0.1
    ),
}
LINEAR = {"mode": "linear"}
SIZES = {
    "nearest": resized([1, 1, 2, 2], None, coordinate_transformation_mode="asymmetric"),
    "nearest, floor": resized(
        [1, 1, 2, 3], None, coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "nearest of pixels": resized([1, 1, 2, 2], None, nearest_mode="round_prefer_ceil"),
    "nearest down": resized(
        None, [1, 2, 2, 3], coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "linear": resized([1, 1, 2, 2], None, **LINEAR),
    "linear to a size": resized(None, [1, 2, 7, 5], **LINEAR),
    "linear between corners": resized(
        None, [1, 2, 9, 7], **LINEAR, coordinate_transformation_mode="align_corners"
    ),
    "cubic": resized(None, [1, 2, 8, 12], mode="cubic"),
}
ALL = POINTWISE | PRODUCTS | NORMS | MOVES | REDUCED | WINDOWS | SIZES


@pytest.mark.parametrize("data", ALL.values(), ids=ALL.keys())
def test_it_computes_what_onnx_runtime_computes(data: bytes) -> None:
    agree(data)


@pytest.mark.parametrize(
    ("data", "layers"),
    [
        (PRODUCTS["linear with a bias"], [nn.Linear]),
        (PRODUCTS["linear"], [nn.Linear]),
        (NORMS["layer norm"], [nn.LayerNorm]),
        (POINTWISE["prelu"], [nn.PReLU]),
        (WINDOWS["transposed conv"], [nn.ConvTranspose2d]),
        (MOVES["pixel shuffle"], [nn.PixelShuffle]),
        (POINTWISE["add a number"], []),
    ],
)
def test_layers_are_those_of_a_users_model(data: bytes, layers: list[type[nn.Module]]) -> None:
    module = to_module(read_network(data, "torch"), "torch")
    assert [type(layer) for layer in module.children()] == layers
    assert not list(module.buffers(recurse=False))


def foreign(op: str) -> bytes:
    """A network of an op that ONNX does not define."""
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], name="the_node", domain="com.microsoft")],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))],
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    data: bytes = helper.make_model(graph, opset_imports=imports).SerializeToString()
    return data


REFUSED = {
    "other domain": (
        foreign("Gelu"),
        "com.microsoft.Gelu 'the_node'",
    ),
    "sequence": (
        one_op("LSTM", (4, 2, 3), floats(1, 8, 3), floats(1, 8, 2), hidden_size=2),
        "LSTM 'the_node'",
    ),
    "old softmax": (one_op("Softmax", IMAGE, opset=11), "Softmax 'the_node'.*several axes"),
    "half": (
        onnx_model(
            [
                helper.make_node("Cast", ["x"], ["h"], name="the_node", to=TensorProto.FLOAT16),
                helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
            ],
            {"x": IMAGE},
            {},
        ),
        "Cast 'the_node'.*float16",
    ),
    "reflected batch": (
        one_op("Pad", IMAGE, ints(1, 0, 0, 0, 0, 0, 0, 0), mode="reflect"),
        "Pad 'the_node'.*reflect",
    ),
    "pads that wrap": (one_op("Pad", IMAGE, ints(*[1] * 8), mode="wrap"), "Pad 'the_node'.*wrap"),
    "uneven transposed": (
        one_op("ConvTranspose", IMAGE, *TRANSPOSED, pads=[1, 0, 0, 1]),
        "ConvTranspose 'the_node'.*pads",
    ),
    "resize of channels": (
        one_op("Resize", (1, 2, 4, 6), None, np.array([1, 2, 1, 1], np.float32)),
        "Resize 'the_node'.*only sides",
    ),
    "scales that are not the sizes": (
        resized([1, 1, 1.6, 1.6], None, **LINEAR),
        "Resize 'the_node'.*no whole number",
    ),
    "nearest in no way of torch": (
        resized(None, [1, 2, 7, 9], coordinate_transformation_mode="align_corners"),
        "Resize 'the_node'.*align_corners",
    ),
    "power of an integer": (
        several("Pow", (3,), (3,), kinds=(LONG, 1)),
        "Pow 'the_node'.*int64 to float32",
    ),
    "sum of integers": (
        several("ReduceSum", (3, 4), kinds=(INT,)),
        "ReduceSum 'the_node'.*int32",
    ),
    "sum backwards": (one_op("CumSum", TOKENS, np.array(1), reverse=1), "reverse must be 0"),
    "shape that is computed": (
        onnx_model(
            [helper.make_node("Reshape", ["x", "n"], ["y"], name="the_node")],
            {"x": (2, 3), "n": (1,)},
            {},
            types={"n": LONG},
        ),
        "no concrete shape|the shape of 'y' is unknown",
    ),
    "doubles": (several("Relu", (3,), kinds=(TensorProto.DOUBLE,)), "'x0': its type is float64"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_loaded_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(RuntimeFailed, match=message):
        create_runtime("torch", RuntimeConfig(1)).load(data)


def lookup(rows: int, kind: int) -> bytes:
    nodes = [
        helper.make_node("Cast", ["x"], ["index"], to=LONG),
        helper.make_node("Gather", ["table", "index"], ["y"]),
    ]
    return onnx_model(nodes, {"x": (1, 12)}, {"table": floats(rows, 2)}, types={"x": kind})


@pytest.mark.parametrize("kind", [LONG, INT, BYTE])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_indices_are_in_the_range_of_their_table(rows: int, kind: int) -> None:
    create_runtime("torch", RuntimeConfig(1)).load(lookup(rows, kind)).run(2)


def test_integers_keep_their_type_in_lower_precision() -> None:
    network = read_network(MOVES["embedding"], "torch", types=None)
    module = to_module(network, "torch", torch.bfloat16).to(torch.bfloat16)
    (output,) = (module(torch.tensor([[0, 8, 3, 1, 2, 4, 5]] * 2)),)
    assert output.dtype == torch.bfloat16
    assert output.shape == (2, 7, 4)
