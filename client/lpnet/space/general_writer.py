"""Writing ops as they were read, with dimensions and numbers at concrete widths."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lpnet.space.graph import Graph, Node
from lpnet.space.onnx_parts import OPSET, Parts, Weight, dim
from lpnet.space.slots import ConstantSlot, CountSlot, Slot, WeightSlot


class GeneralWriter:
    """Adds nodes with slots to the parts of a graph. Numbers in a template are those of the dense
    network, and those for a single input."""

    def __init__(
        self, graph: Graph, widths: Mapping[str, int] | None, batch: int, parts: Parts
    ) -> None:
        self.graph, self.widths, self.batch, self.parts = graph, widths, batch, parts
        # Further outputs of a node, by its index.
        self._outputs: dict[int, list[tuple[int, str]]] = {}
        for node in graph.nodes:
            if node.op == "part":
                position = int(str(dict(node.attributes)["output"]))
                self._outputs.setdefault(node.inputs[0], []).append((position, node.name))

    def node(self, index: int, tensors: list[str]) -> None:
        node = self.graph.nodes[index]
        if node.op == "part":
            return
        inputs = [self._input(index, p, slot, tensors) for p, slot in enumerate(node.slots)]
        while inputs and not inputs[-1]:
            inputs.pop()
        if node.op == "MatMul" and len(inputs) == 3:
            between = f"{node.name}/product"
            self._emit(node, "MatMul", inputs[:2], [between])
            self._emit(node, "Add", [between, inputs[2]], [node.name])
            return
        outputs = [node.name]
        for position, name in sorted(self._outputs.get(index, [])):
            outputs += [""] * (position - len(outputs)) + [name]
        while len(outputs) < _required_outputs(node):
            outputs.append(f"{node.name}/output{len(outputs)}")
        attributes: dict[str, Any] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in node.attributes
        }
        for attribute in node.counts:
            attributes[attribute.name] = attribute.axis.count(self.widths)
        self._emit(node, node.op, inputs, outputs, **attributes)

    def _emit(
        self, node: Node, op: str, inputs: list[str], outputs: list[str], **attributes: Any
    ) -> None:
        proto = helper.make_node(
            op, inputs, outputs, name=outputs[0], domain=node.domain, **attributes
        )
        self.parts.nodes.append(proto)

    def _input(self, index: int, position: int, slot: Slot, tensors: list[str]) -> str:
        node = self.graph.nodes[index]
        if slot is None:
            return ""
        if isinstance(slot, int):
            return tensors[slot]
        if isinstance(slot, WeightSlot):
            return self._weight(index, node, slot)
        name = f"{node.name}/{position}"
        if self.widths is None and isinstance(slot, ConstantSlot) and slot.lengths:
            # A space file stays small: it has such an array in its metadata.
            element = helper.np_dtype_to_tensor_dtype(np.dtype(slot.type))
            info = helper.make_tensor_value_info(name, element, slot.shape)
            self.parts.arrays.append(info)
            return name
        self.parts.constants.append(numpy_helper.from_array(self._array(slot), name))
        return name

    def _array(self, slot: ConstantSlot | CountSlot) -> np.ndarray[Any, Any]:
        if isinstance(slot, ConstantSlot):
            return slot.array()
        counts = [axis.count(self.widths) for axis in slot.axes]
        if slot.batch is not None:
            counts[slot.batch] *= self.batch
        return np.array(counts, dtype=np.int64)

    def _weight(self, index: int, node: Node, slot: WeightSlot) -> str:
        name = f"{node.name}.{slot.role}"
        dims = [
            dim(axis, self.widths, slot.groups if position == 1 else 1)
            for position, axis in enumerate(slot.dims)
        ]
        fan_in = 0
        if self.widths is not None and slot.value is None and len(dims) > 1:
            sides = [int(side) for side in dims]
            # MatMul and ConvTranspose have their input channels first.
            first = node.op in ("MatMul", "ConvTranspose")
            fan_in = prod([sides[0], *sides[2:]]) if first else prod(sides[1:])
            fan_in = 1 if node.op == "Gather" else fan_in
        self.parts.weights.append(Weight(name, index, slot.role, tuple(dims), slot.value, fan_in))
        return name


def _required_outputs(node: Node) -> int:
    """Outputs that an op has even if nothing reads them."""
    if not onnx.defs.has(node.op, OPSET, node.domain):
        return 1
    count: int = onnx.defs.get_schema(node.op, OPSET, node.domain).min_output
    return count
