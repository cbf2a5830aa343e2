"""Removing channels from an ONNX model: weights are cut, and numbers that count channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis, Width
from lpnet.space.kept import Atoms, kept_atoms
from lpnet.space.onnx_model import Shapes, read_model
from lpnet.space.raw import RawGraph, RawNode
from lpnet.space.solver.labelled import Labelled
from lpnet.space.solver.rules.movement import slices, split_sides, taken
from lpnet.space.solver.solution import Solution, solve
from lpnet.space.solver.state import Event
from lpnet.space.tables import as_constants, pointwise
from lpnet.space.template import Template
from lpnet.space.ties import as_in

Array = NDArray[Any]


def prune_onnx(
    template: Template,
    model: onnx.ModelProto,
    kept: Mapping[str, Sequence[int]],
    keep: Mapping[str, Event],
    shapes: Shapes,
) -> onnx.ModelProto:
    graph_ir, raw, solution = _solved(template, model, keep, shapes)
    # Exporters rename weights.
    by_name = kept_atoms(template.widths, kept)
    atoms = {
        own.name: by_name[width.name]
        for own, width in zip(solution.widths, template.widths, strict=True)
    }
    cut = _Cut(graph_ir, raw, solution, atoms)
    cut.weights()
    for node, raw_node in zip(_nodes(graph_ir), raw.nodes, strict=True):
        cut.node(node, raw_node)
    for node in graph_ir.graph:
        for value in node.outputs:
            value.shape = None
    for value, name in zip(graph_ir.graph.outputs, raw.outputs, strict=True):
        value.shape = ir.Shape(raw.shape(name))
        value.dtype = value.dtype or ir.DataType.FLOAT
    result: onnx.ModelProto = ir.serde.serialize_model(graph_ir)
    return result


def _solved(
    template: Template, model: onnx.ModelProto, keep: Mapping[str, Event], shapes: Shapes
) -> tuple[ir.Model, RawGraph, Solution]:
    # Exporters write equal weights once, such as those of layers that were copied. They tie
    # nothing in the module. What the module shares is shared in the first reading.
    for separate in (False, True):
        graph_ir, read = read_model(model, shapes, separate=separate)
        for raw, ties in product(_readings(read, template), ((), (as_in(template),))):
            solution = solve(raw, keep, ties)
            if additional := _additional(solution.widths, template.widths):
                solution = solve(raw, {**keep, **additional}, ties)
            if _forms(solution.widths) == _forms(template.widths):
                return graph_ir, raw, solution
    raise SpaceError("this is another model than the one that the space was made from")


def _readings(raw: RawGraph, template: Template) -> Iterator[RawGraph]:
    """The graph as it is, and with constants for what the template cuts nowhere."""
    yield raw
    uncut = pointwise(raw).difference(parameter.name for parameter in template.parameters)
    if uncut:
        yield as_constants(raw, uncut)


def _additional(own: Sequence[Width], widths: Sequence[Width]) -> dict[str, Event]:
    """Layers with channels that can be removed in the file, but not in the module. What a forward
    pass computes from constants, such as the kernel of a blur, is a weight in a file.
    """
    if len(own) <= len(widths):
        return {}
    names = {width.name for width in widths}
    layers = [width.name.split("#", maxsplit=1)[0] for width in own if width.name not in names]
    return {layer: Event(layer, "forward", "the module keeps its channels") for layer in layers}


def _forms(widths: Sequence[Width]) -> list[tuple[object, ...]]:
    return [(width.max, width.granule, width.layout) for width in widths]


def _nodes(model: ir.Model) -> list[ir.Node]:
    return [node for node in model.graph if node.op_type != "Constant"]


class _Cut:
    def __init__(self, model: ir.Model, raw: RawGraph, solution: Solution, atoms: Atoms) -> None:
        self.graph, self.raw, self.solution, self.atoms = model.graph, raw, solution, atoms

    def weights(self) -> None:
        for name in self.raw.parameters:
            value = self.graph.initializers[name]
            axes, reads = self.solution.dims(name), self.solution.group_reads(name)
            if not any(axis.widths for axis in (*axes, *(() if reads is None else (reads,)))):
                continue
            array = self._array(value)
            if reads is not None:
                array = self._grouped(array, axes, reads)
            else:
                for position, axis in enumerate(axes):
                    array = array.take(axis.kept(self.atoms), axis=position)
            self._set(value, array)

    def _grouped(self, array: Array, axes: tuple[Axis, ...], reads: Axis) -> Array:
        groups = reads.dense // array.shape[1]
        rows, columns = axes[0].kept(self.atoms), reads.kept(self.atoms)
        size = len(array) // groups
        parts = []
        for group in range(groups):
            own = [row for row in rows if row // size == group]
            inside = [c % array.shape[1] for c in columns if c // array.shape[1] == group]
            parts.append(array[own][:, inside])
        return np.concatenate(parts)

    def node(self, node: ir.Node, raw: RawNode) -> None:
        if raw.op in ("Reshape", "Expand"):
            self._target(node, raw, 1)
        elif raw.op == "Resize" and len(raw.inputs) > 3 and raw.inputs[3]:
            self._target(node, raw, 3)
        elif raw.op == "Split" and len(raw.inputs) > 1 and raw.inputs[1]:
            self._split(node, raw)
        elif raw.op == "Slice":
            self._slice(node, raw)
        elif raw.op in ("Conv", "ConvTranspose"):
            self._groups(node, raw)
        elif raw.op == "GroupNormalization":
            channels = self.solution.dims(raw.outputs[0])[1]
            size = channels.dense // int(raw.attr("num_groups", 1))
            node.attributes["num_groups"] = ir.AttrInt64(
                "num_groups", self._count(channels) // size
            )

    def _count(self, axis: Axis) -> int:
        return len(axis.kept(self.atoms))

    def _target(self, node: ir.Node, raw: RawNode, position: int) -> None:
        old = self.raw.integers(raw.inputs[position])
        dims = self.solution.dims(raw.outputs[0])
        if old is None or not any(axis.widths for axis in dims):
            return
        # Numbers that stand for others, 0 and -1, stay.
        shift = len(dims) - len(old)
        new = [
            self._count(dims[i + shift]) if side == dims[i + shift].dense else side
            for i, side in enumerate(old)
        ]
        self._constant(node, position, np.array(new, dtype=np.int64))

    def _slice(self, node: ir.Node, raw: RawNode) -> None:
        shape = self.raw.shape(raw.inputs[0])
        value, dims = self.solution.value(raw.inputs[0]), self.solution.dims(raw.inputs[0])
        cuts = slices(self.raw, raw, shape) or {}
        if not any(dims[axis].widths for axis in cuts):
            return
        starts: list[int] = []
        stops: list[int] = []
        steps: list[int] = []
        for axis, cut in cuts.items():
            start, stop, step = cut.indices(shape[axis])
            if dims[axis].widths:
                starts.append(self._before(value, axis, start))
                stops.append(self._before(value, axis, stop))
            else:
                starts.append(start)
                stops.append(stop if step > 0 or stop >= 0 else -(2**31))
            steps.append(step)
        for position, numbers in enumerate((starts, stops, [*cuts], steps), 1):
            self._constant(node, position, np.array(numbers, dtype=np.int64))

    def _split(self, node: ir.Node, raw: RawNode) -> None:
        value = self.solution.value(raw.inputs[0])
        axis = int(raw.attr("axis", 0)) % value.rank
        bounds = np.cumsum([0, *split_sides(self.raw, raw, axis)]).tolist()
        kept = [self._before(value, axis, bound) for bound in bounds]
        self._constant(node, 1, np.diff(kept).astype(np.int64))

    def _before(self, value: Labelled, axis: int, bound: int) -> int:
        """Kept positions before one of an axis."""
        if bound == 0:
            return 0
        part = taken(value, axis, np.arange(bound))
        return self._count(self.solution.dims_of(part)[axis])

    def _groups(self, node: ir.Node, raw: RawNode) -> None:
        groups, channels = int(raw.attr("group", 1)), self.solution.dims(raw.inputs[0])[1]
        if 1 < groups == channels.dense:
            node.attributes["group"] = ir.AttrInt64("group", self._count(channels))

    def _constant(self, node: ir.Node, position: int, array: Array) -> None:
        name = f"{node.outputs[0].name}/{position}"
        tensor = ir.tensor(array, name=name)
        value = ir.Value(name=name, const_value=tensor)
        value.shape, value.dtype = ir.Shape(array.shape), tensor.dtype
        self.graph.initializers[name] = value
        inputs = list(node.inputs)
        if position >= len(inputs):
            node.resize_inputs(position + 1)
        node.replace_input_with(position, value)

    def _array(self, value: ir.Value) -> Array:
        assert value.const_value is not None
        array: Array = value.const_value.numpy()
        return array

    def _set(self, value: ir.Value, array: Array) -> None:
        value.const_value = ir.tensor(np.ascontiguousarray(array), name=value.name)
        value.shape = ir.Shape(array.shape)
