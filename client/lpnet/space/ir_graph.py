"""An ONNX graph in onnx_ir's form, read into a raw graph with shapes of all tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import shape_inference
from onnx_ir.passes.common import InlinePass, RemoveUnusedNodesPass
from onnxscript.optimizer import fold_constants

from lpnet.errors import SpaceError
from lpnet.space.raw import RawGraph, RawNode, Shape

# Arrays with more values are weights, not constants that shapes are computed from.
_MAX_CONSTANT = 65_536
# Arrays that shapes are counted from are folded up to this size.
_MAX_COUNTED = 1 << 24
_FLOAT = ir.DataType.FLOAT


def read(
    model: ir.Model,
    parameters: Mapping[str, str],
    path: Callable[[ir.Node], str],
    buffers: Collection[str] = (),
) -> RawGraph:
    """`parameters` are the weights by name, with the layer of each; they keep their names, while
    what is computed from constants alone is folded. `path` names the module of a node. `buffers`
    are weights that are no parameters.

    Raises SpaceError, naming the tensor, for a shape that is not fixed.
    """
    InlinePass()(model)
    fold(model, set(parameters))
    graph = model.graph
    weights = {n: v for n, v in graph.initializers.items() if n in parameters}
    shapes = _shapes(model, set(parameters), weights)
    constants = dict(_constants(graph, set(parameters)))
    for name, value in weights.items():
        shapes[name] = _static(value)
    nodes = tuple(_node(node, path) for node in graph if node.op_type != "Constant")
    return RawGraph(
        nodes=nodes,
        inputs={
            _name(value): _static(value) for value in graph.inputs if _name(value) not in weights
        },
        outputs=tuple(_name(value) for value in graph.outputs),
        parameters={name: shapes[name] for name in weights},
        constants=constants,
        shapes=shapes,
        types=dict(_types(graph)),
        modules=parameters,
        buffers=frozenset(buffers),
    )


def fold(model: ir.Model, parameters: set[str]) -> None:
    """Fold what is computed from constants. Parameters and what is computed from them stay."""

    def should_fold(node: ir.Node) -> bool:
        return not any(value is not None and value.name in parameters for value in node.inputs)

    # A split into a sequence becomes a plain one, which would not know its module.
    splits = {
        _name(node.outputs[0]): dict(node.metadata_props)
        for node in model.graph
        if node.op_type == "SplitToSequence"
    }
    fold_constants(model, should_fold=should_fold)
    if counted := counted_nodes(model.graph, parameters):
        fold_constants(model, should_fold=counted.__contains__, output_size_limit=_MAX_COUNTED)
    RemoveUnusedNodesPass()(model)
    for node in model.graph:
        if node.op_type == "Split" and not node.metadata_props:
            node.metadata_props.update(splits.get(_name(node.outputs[0])[: -len("_split_0")], {}))


def counted_nodes(graph: ir.Graph, parameters: Collection[str]) -> set[ir.Node]:
    """Nodes that compute only what a NonZero reads, and from initializers alone, none of them a
    parameter. The numbers decide on shapes."""
    varying = {v for v in graph.inputs if v.name not in graph.initializers}
    varying |= {value for name, value in graph.initializers.items() if name in parameters}
    for node in graph:
        if not varying.isdisjoint(node.inputs):
            varying.update(node.outputs)
    counted: set[ir.Node] = set()
    for node in reversed(graph):
        readers = [use.node for value in node.outputs for use in value.uses()]
        final = any(value.is_graph_output() for value in node.outputs)
        only = bool(readers) and not final and counted.issuperset(readers)
        if varying.isdisjoint(node.outputs) and (node.op_type == "NonZero" or only):
            counted.add(node)
    return counted


def _node(node: ir.Node, path: Callable[[ir.Node], str]) -> RawNode:
    inputs = tuple("" if value is None else _name(value) for value in node.inputs)
    op = node.op_type
    if op == "CastLike":
        # Types are those of the exported graph already.
        op, inputs = "Identity", inputs[:1]
    captured: list[str] = []
    attributes: dict[str, Any] = {}
    for name, attribute in node.attributes.items():
        if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
            graphs = (
                [attribute.value] if attribute.type == ir.AttributeType.GRAPH else attribute.value
            )
            captured += [value for graph in graphs for value in _captured(graph)]
            attributes[name] = None
        else:
            attributes[name] = attribute.value
    return RawNode(
        name=node.name or op,
        op=op,
        inputs=inputs,
        outputs=tuple(_name(value) for value in node.outputs),
        attributes=attributes,
        path=path(node),
        domain=node.domain,
        captured=tuple(dict.fromkeys(captured)),
        fixed=_is_adaptive(node),
    )


def _is_adaptive(node: ir.Node) -> bool:
    """True for a pool to a number of pixels, whose window torch's exporter computes."""
    if node.op_type not in ("AveragePool", "MaxPool"):
        return False
    props = node.metadata_props
    source = props.get("pkg.torch.onnx.class_hierarchy"), props.get("pkg.torch.onnx.stack_trace")
    return any("adaptive" in text.lower() for text in source if text)


def _captured(graph: ir.Graph) -> Iterator[str]:
    inside = {_name(value) for value in graph.inputs} | set(graph.initializers)
    for node in graph:
        inside |= {_name(value) for value in node.outputs}
    for node in graph:
        for value in node.inputs:
            if value is not None and _name(value) not in inside:
                yield _name(value)


def _constants(graph: ir.Graph, parameters: set[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in graph.initializers.items():
        if name not in parameters and value.const_value is not None:
            yield name, value.const_value.numpy()
    for node in graph:
        if node.op_type == "Constant":
            yield _name(node.outputs[0]), _constant_value(node)


def _constant_value(node: ir.Node) -> NDArray[Any]:
    for name, attribute in node.attributes.items():
        if name == "value":
            return attribute.as_tensor().numpy()
        if name in ("value_int", "value_ints"):
            return np.array(attribute.value, dtype=np.int64)
        if name in ("value_float", "value_floats"):
            return np.array(attribute.value, dtype=np.float32)
    return np.array([], dtype=np.int64)


def _shapes(
    model: ir.Model, parameters: set[str], weights: Mapping[str, ir.Value]
) -> dict[str, Shape]:
    """Shapes of the outputs of all nodes. What is computed from inferred shapes is folded."""
    while True:
        shapes, count = _infer(model, weights), len(model.graph)
        values = [value for node in model.graph for value in node.outputs]
        complete = all(_name(value) in shapes for value in values if _used(value, model))
        if complete and not any(node.op_type in ("Shape", "Size") for node in model.graph):
            return shapes
        for value in values:
            if value.shape is None and _name(value) in shapes:
                value.shape = ir.Shape(shapes[_name(value)])
        fold(model, parameters)
        if len(model.graph) == count:
            return shapes


def _infer(model: ir.Model, weights: Mapping[str, ir.Value]) -> dict[str, Shape]:
    """Shapes of the outputs of all nodes."""
    recorded = {
        _name(value): shape
        for node in model.graph
        for value in node.outputs
        if (shape := _sides(value)) is not None
    }
    if all(_name(v) in recorded for n in model.graph for v in n.outputs if _used(v, model)):
        return recorded
    inferred = shape_inference.infer_shapes(_light(model, weights), data_prop=True)
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(d.HasField("dim_value") for d in dims):
            recorded.setdefault(value.name, tuple(d.dim_value for d in dims))
    return recorded


def _used(value: ir.Value, model: ir.Model) -> bool:
    return bool(value.uses()) or value in model.graph.outputs


def _light(model: ir.Model, weights: Mapping[str, ir.Value]) -> onnx.ModelProto:
    # Large arrays become inputs, since inference would copy them.
    proto = onnx.ModelProto(ir_version=10)
    for domain, version in model.graph.opset_imports.items():
        proto.opset_import.append(onnx.helper.make_opsetid(domain, version))
    proto.graph.name = "graph"
    for node in model.graph:
        proto.graph.node.append(ir.serde.serialize_node(node))
    for value in model.graph.inputs:
        proto.graph.input.append(ir.serde.serialize_value(value))
    for value in model.graph.outputs:
        proto.graph.output.append(onnx.ValueInfoProto(name=_name(value)))
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if name in weights or tensor is None or tensor.size > _MAX_CONSTANT:
            proto.graph.input.append(
                onnx.helper.make_tensor_value_info(
                    name, int(value.dtype or _FLOAT), list(_static(value))
                )
            )
        else:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(tensor.numpy(), name))
    return proto


def _types(graph: ir.Graph) -> Iterator[tuple[str, str]]:
    values = [*graph.inputs, *graph.initializers.values()]
    values += [value for node in graph for value in node.outputs]
    for value in values:
        if value.dtype is not None and value.dtype != _FLOAT:
            yield _name(value), value.dtype.name.lower()


def _static(value: ir.Value) -> Shape:
    shape = _sides(value)
    if shape is None:
        raise SpaceError(f"the shape of {value.name!r} is not fixed: {value.shape}")
    return shape


def _sides(value: ir.Value) -> Shape | None:
    if value.shape is None and value.const_value is not None:
        return tuple(side for side in value.const_value.shape if isinstance(side, int))
    if value.shape is None or not all(isinstance(side, int) for side in value.shape):
        return None
    return tuple(side for side in value.shape if isinstance(side, int))


def _name(value: ir.Value) -> str:
    if value.name is None:
        raise SpaceError("the exported graph holds a tensor without a name")
    return value.name
