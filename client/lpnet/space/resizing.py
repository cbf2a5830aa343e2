"""A graph of any ops at another resolution of its input."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onnx import shape_inference

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis
from lpnet.space.graph import Node
from lpnet.space.layout import Layout
from lpnet.space.onnx_parts import tensor
from lpnet.space.slots import ConstantSlot, CountSlot, Tensor

if TYPE_CHECKING:
    from lpnet.space.template import Template

# Ops whose output has the spatial sides of their inputs, or sides that follow from them.
_FOLLOWING = frozenset(
    {
        *("conv2d", "conv_transpose2d", "pool", "resize", "activation", "add", "mul", "concat"),
        *("split", "batch_norm", "norm", "softmax"),
    }
)


def resized(template: Template, h: int, w: int) -> Template:
    """Raises SpaceError, naming the op, where an op has sizes of the example input."""
    graph, layout = template.graph, template.layout
    assert layout is not None
    if len(layout.inputs) != 1 or len(layout.inputs[0].dims) != 4:
        raise SpaceError("only a network with a single image as its input has a resolution")
    for node, value in zip(graph.nodes, layout.tensors, strict=True):
        _check(node, value)
    source = _with_sides(layout.inputs[0], (h, w))
    graph = replace(graph, h=h, w=w)
    sides = _sides(replace(template, graph=graph, layout=replace(layout, inputs=(source,))))
    tensors = []
    for node, value in zip(graph.nodes, layout.tensors, strict=True):
        image = len(value.dims) == 4
        if image and node.name not in sides:
            raise SpaceError(f"{node.name} does not work at {h}x{w} pixels")
        tensors.append(_with_sides(value, sides[node.name]) if image else value)
    return replace(template, graph=graph, layout=Layout((source,), tuple(tensors), layout.outputs))


def _check(node: Node, tensor: Tensor) -> None:
    reason = None
    if node.fixed:
        reason = "is an adaptive pool, which has another window at another resolution"
    elif len(tensor.dims) > 2 and len(tensor.dims) != 4:
        reason = "has no image as its output"
    elif len(tensor.dims) == 4 and not _follows(node):
        reason = "has sizes of the example input"
    if reason is not None:
        raise SpaceError(
            f"this space keeps its resolution: {node.name} ({node.op or node.type}) {reason}"
        )


def _follows(node: Node) -> bool:
    if node.type not in _FOLLOWING:
        return False
    if node.op == "Resize":
        # Sizes, instead of scales, are those of the example.
        return not any(isinstance(slot, CountSlot) for slot in node.slots)
    if node.op == "Slice":
        axes = node.slots[3]
        return isinstance(axes, ConstantSlot) and axes.values == (1,)
    return True


def _with_sides(tensor: Tensor, sides: tuple[int, int]) -> Tensor:
    return replace(tensor, dims=(*tensor.dims[:2], *map(Axis.constant, sides)))


def _sides(template: Template) -> dict[str, tuple[int, int]]:
    """Height and width of each image, from ONNX's shape inference on the dense network."""
    from lpnet.space.onnx_writer import assemble, ends, parts

    dense = {width.name: width.max for width in template.widths}
    graph_parts = parts(template, dense)
    weights = [tensor(weight.name, weight.dims) for weight in graph_parts.weights]
    model = assemble("resized", graph_parts, ends(template, dense, 1), inputs=weights)
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        raise SpaceError(
            f"the network does not work at this resolution: {error!s:.300}"
        ) from error
    values = (*inferred.graph.value_info, *inferred.graph.output)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    return {name: (s[2], s[3]) for name, s in shapes.items() if len(s) == 4 and min(s[2:]) > 0}
