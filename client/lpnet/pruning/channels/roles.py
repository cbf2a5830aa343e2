"""Which axes of a network's weights read the channels of widths, and which compute them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from lpnet.space.axis import Axis
from lpnet.space.graph import Node
from lpnet.space.parameters import Parameter
from lpnet.space.slots import WeightSlot
from lpnet.space.template import Template
from lpnet.space.trace import tensor_layers

AxisOf = tuple[Parameter, int]


@dataclass
class Roles:
    """The axes along which parameters `read` channels, by name, and the parameters with the axis
    along which they compute the channels of each width.

    `unread` are the widths that something else reads too, as a product of two activations does.
    """

    read: dict[str, set[int]] = field(default_factory=dict)
    computed: dict[str, list[AxisOf]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Layer:
    """An op with weights, and the axes of the channels that it reads and computes. `plain`: its
    weights are used once and have the order of axes of torch's own modules."""

    node: Node
    c_in: Axis
    c_out: Axis
    weights: tuple[Parameter, ...]
    plain: bool

    @property
    def depthwise(self) -> bool:
        return self.node.groups > 1 and self.node.groups == self.c_in.dense

    def reading_axis(self, weight: Parameter) -> int | None:
        """The axis along which a weight reads channels; None if it is unknown or there is none."""
        if self.depthwise or not self.c_in.widths:
            return None
        if weight.groups > 1:
            return 1
        if self.node.groups > 1:
            return 1 if weight.axes[0] == self.c_out else None
        matching = [i for i, axis in enumerate(weight.axes) if axis == self.c_in]
        if self.c_in == self.c_out:
            usual = 0 if self.node.type == "conv_transpose2d" else 1
            return usual if self.plain and usual in matching else None
        return matching[0] if len(matching) == 1 else None


def roles(template: Template, model: nn.Module) -> Roles:
    """`model` has the structure of the model that the template was made from."""
    result = Roles(computed={width.name: [] for width in template.widths})
    for layer in _layers(template, model):
        _add(result, layer)
    if template.layout is not None:
        for node in template.graph.nodes:
            tensors = [template.layout.tensor(source) for source in node.inputs]
            if node.type == "matmul":
                result.unread |= tensors[0].dims[-1].widths
            elif node.type == "opaque":
                result.unread |= {w for t in tensors for axis in t.dims for w in axis.widths}
    for name, computed in result.computed.items():
        if not computed:
            computed += _any_axes(template, result, name)
    return result


def _layers(template: Template, model: nn.Module) -> Iterator[_Layer]:
    names = tensor_layers(model)
    weights: dict[str, list[Parameter]] = {}
    for parameter in template.parameters:
        if len(parameter.axes) > 1:
            weights.setdefault(names.get(parameter.name, ""), []).append(parameter)
    calls = Counter(node.module for node in template.graph.nodes)
    modules = dict(model.named_modules(remove_duplicate=False))
    for index, node in enumerate(template.graph.nodes):
        if node.weighted:
            c_in, c_out = _channels(template, index)
            own = weights.get(names.get(f"{node.module}.weight", node.module), [])
            usual = node.type != "linear" or isinstance(modules.get(node.module), nn.Linear)
            plain = usual and calls[node.module] == 1
            yield _Layer(node, c_in, c_out, tuple(own) if node.module else (), plain)


def _channels(template: Template, index: int) -> tuple[Axis, Axis]:
    node = template.graph.nodes[index]
    for slot in node.slots:
        if node.type == "linear" and isinstance(slot, WeightSlot):
            return slot.dims[-2], slot.dims[-1]
    if template.layout is None:
        return template.axis_in(index), template.axes[index]
    source, out = template.layout.tensor(node.inputs[0]), template.layout.tensors[index]
    return source.dims[1], out.dims[1]


def _add(result: Roles, layer: _Layer) -> None:
    read = frozenset() if layer.depthwise else layer.c_in.widths
    covered: set[str] = set()
    for weight in layer.weights:
        axis = layer.reading_axis(weight)
        if axis is not None:
            result.read.setdefault(weight.name, set()).add(axis)
            covered |= (weight.reads or weight.axes[axis]).widths
        elif any(a.widths & read and a != layer.c_out for a in weight.axes):
            result.unread |= read
        for name in layer.c_out.widths:
            axes = [i for i, a in enumerate(weight.axes) if i != axis and name in a.widths]
            if axes and (weight, axes[0]) not in result.computed[name]:
                result.computed[name].append((weight, axes[0]))
    result.unread |= read - covered


def _any_axes(template: Template, result: Roles, width: str) -> list[AxisOf]:
    """Every parameter with a width, where no op tells which of them compute its channels."""
    pairs = [
        (parameter, index)
        for parameter in template.parameters
        for index, axis in enumerate(parameter.axes)
        if width in axis.widths
    ]
    computing = [p for p in pairs if p[1] not in result.read.get(p[0].name, ())]
    return [p for p in computing if len(p[0].axes) > 1] or computing or pairs
