"""Reading the ONNX file of a user's network."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx_ir.passes.common import InlinePass, LiftConstantsToInitializersPass
from onnxscript import version_converter

from lpnet.errors import SpaceError
from lpnet.space.ir_graph import counted_nodes, read
from lpnet.space.onnx_parts import OPSET
from lpnet.space.raw import RawGraph

Shapes = Mapping[str, Sequence[int]]
_FLOATS = frozenset(
    {ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16}
)
# Smaller arrays of floats are numbers of ops, such as the bounds of a clip.
_MIN_WEIGHT = 2


def load(path: str | PathLike[str], shapes: Shapes | None) -> RawGraph:
    """The graph of an ONNX file. Weights beside the file are found in its folder.

    `shapes` are the shapes of inputs whose sides are open. An open first side is a batch of 1.
    Raises SpaceError, naming the input, for an open side without a shape, and OSError.
    """
    file = Path(path)
    try:
        proto = onnx.load(file, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise SpaceError(f"{file} is no ONNX file") from error
    return from_proto(proto, shapes, file.parent)


def from_proto(
    proto: onnx.ModelProto, shapes: Shapes | None = None, folder: Path | None = None
) -> RawGraph:
    """The graph of an ONNX model; weights in other files are in `folder`."""
    return read_model(proto, shapes, folder)[1]


def read_model(
    proto: onnx.ModelProto,
    shapes: Shapes | None = None,
    folder: Path | None = None,
    *,
    separate: bool = False,
) -> tuple[ir.Model, RawGraph]:
    """The model with constants folded, in the opset of spaces, and its graph.

    With `separate` each reader of a weight has its own copy of it.
    """
    model = _converted(proto)
    if folder is not None:
        ir.external_data.set_base_dir(model.graph, folder)
    InlinePass()(model)
    LiftConstantsToInitializersPass(lift_all_constants=False, size_limit=_MIN_WEIGHT)(model)
    _fix_shapes(model.graph, dict(shapes or {}))
    _separate(model.graph, all_weights=separate)
    weights = _weights(model.graph)
    return model, read(model, weights, _path)


def _converted(proto: onnx.ModelProto) -> ir.Model:
    """The model in the opset that spaces are written in."""
    version = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), OPSET)
    if version < 18:
        # The converter for old models needs no weights.
        proto = onnx.version_converter.convert_version(_bare(proto), 18)
    model: ir.Model = ir.serde.deserialize_model(proto)
    if model.opset_imports.get("", OPSET) < OPSET:
        version_converter.convert_version(model, OPSET)
    return model


def _bare(proto: onnx.ModelProto) -> onnx.ModelProto:
    # Before IR version 4 initializers are inputs too.
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    names = {tensor.name for tensor in bare.graph.initializer}
    inputs = [value for value in bare.graph.input if value.name not in names]
    del bare.graph.input[:]
    bare.graph.input.extend(inputs)
    bare.ir_version = max(bare.ir_version, 8)
    return bare


def _weights(graph: ir.Graph) -> dict[str, str]:
    """Float initializers with several values, and the layer of each: its name without its role."""
    layers, counted = {}, counted_nodes(graph, ())
    for name, value in graph.initializers.items():
        tensor = value.const_value
        floats = tensor is not None and tensor.dtype in _FLOATS
        used = any(not (_is_number(use) or use.node in counted) for use in value.uses())
        if floats and tensor is not None and tensor.size >= _MIN_WEIGHT and used:
            named = name.endswith((".weight", ".bias", "_weight", "_bias"))
            own = name.rpartition(".")[0] if "." in name else name.rpartition("_")[0]
            consumer = next(iter(value.uses())).node
            layers[name] = own if named and own else _path(consumer)
    return layers


def _separate(graph: ir.Graph, *, all_weights: bool) -> None:
    """Give each reader its own copy of an array of equal values, or of every weight. Exporters
    share equal arrays, and a shared weight would tie layers that have nothing to do with each
    other."""
    for name, value in [*graph.initializers.items()]:
        tensor = value.const_value
        if tensor is None or tensor.dtype not in _FLOATS or len(value.uses()) < 2:
            continue
        if tensor.size < _MIN_WEIGHT or not (all_weights or _is_uniform(tensor)):
            continue
        for number, use in enumerate([*value.uses()][1:], 2):
            copy = ir.Value(name=f"{name}#{number}", const_value=tensor)
            copy.shape, copy.dtype = value.shape, tensor.dtype
            graph.initializers[f"{name}#{number}"] = copy
            use.node.replace_input_with(use.idx, copy)


def _is_uniform(tensor: ir.TensorProtocol) -> bool:
    if isinstance(tensor, ir.ExternalTensor):
        return False
    array = tensor.numpy()
    return bool((array == array.flat[0]).all())


def _is_number(use: Any) -> bool:
    """True for the scales of a resize, and other numbers that shapes depend on."""
    return use.node.op_type in ("Resize", "Upsample") and use.idx > 0


def _fix_shapes(graph: ir.Graph, shapes: dict[str, Sequence[int]]) -> None:
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    names = [value.name for value in inputs]
    for name in shapes:
        if name not in names:
            raise SpaceError(
                f"the network has no input {name!r}; it has {', '.join(map(str, names))}"
            )
    for value in inputs:
        name = str(value.name)
        if name in shapes:
            value.shape = ir.Shape([int(side) for side in shapes[name]])
            continue
        sides = None if value.shape is None else list(value.shape)
        if sides and not _is_fixed(sides[0]):
            sides[0] = 1
        if sides is None or not all(_is_fixed(side) for side in sides):
            raise SpaceError(
                f"input {name!r} has open sides {_listed(value)}: its shape is needed, for "
                f"example {name}=1x3x224x224"
            )
        value.shape = ir.Shape([int(str(side)) for side in sides])
    # Shapes of inner tensors were those of open sides.
    for node in graph:
        for value in node.outputs:
            value.shape = None
    for value in graph.outputs:
        value.shape = None


def _is_fixed(side: object) -> bool:
    return isinstance(side, int) and side > 0


def _listed(value: ir.Value) -> str:
    if value.shape is None:
        return "(no shape)"
    return "x".join("?" if not _is_fixed(side) else str(side) for side in value.shape)


def _path(node: ir.Node) -> str:
    # torch's exporter records the modules that a node comes from, as the text of a list.
    text = node.metadata_props.get("pkg.torch.onnx.name_scopes")
    scopes = ast.literal_eval(text) if text else []
    if len(scopes) > 1 and scopes[-2]:
        layer = node.op_type in ("MatMul", "Gemm", "Conv", "ConvTranspose")
        return scopes[-2] if layer else f"{scopes[-2]}.{scopes[-1]}"
    return (node.name or node.op_type.lower()).strip("/").replace("/", ".")
