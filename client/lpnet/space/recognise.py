"""From an ONNX graph to the normalised one: BatchNorm folded, idioms known, the rest refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from lpnet.errors import SpaceError, UnsupportedOp
from lpnet.space.graph import INPUT, Graph, Node, output_size
from lpnet.space.raw import RawGraph, RawNode, Shape

VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
# ONNX op, our function, and the attributes that ONNX has to know beside it, with its defaults.
PLAIN_ACTIVATIONS: dict[str, tuple[str, dict[str, float | str]]] = {
    "Relu": ("relu", {}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "HardSwish": ("hardswish", {}),
    "HardSigmoid": ("hardsigmoid", {"alpha": 0.2, "beta": 0.5}),
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Gelu": ("gelu", {"approximate": "none"}),
}


@dataclass(frozen=True)
class _Value:
    """A tensor: the node that makes it and its dense shape. `view` is the reshape that gave it a
    shape which only a further reshape can make sense of; `shared`: others read it by another name.
    """

    index: int
    shape: Shape
    view: RawNode | None = None
    shared: bool = False


def recognise(raw: RawGraph) -> Graph:
    """The normalised graph.

    Raises UnsupportedOp, naming node and op, for whatever it does not know; nothing is dropped.
    """
    return _Recogniser(raw).run()


class _Recogniser:
    def __init__(self, raw: RawGraph) -> None:
        self.raw = raw
        self.nodes: list[Node] = []
        self.values = {raw.input: _Value(INPUT, raw.input_shape)}
        self.uses = Counter(name for node in raw.nodes for name in node.inputs)
        self.uses[raw.output] += 1
        self.readers = {name: node for node in raw.nodes for name in node.inputs}
        self.gates: dict[str, str] = {}
        self.names: set[str] = {"input"}
        self.handlers: dict[str, Callable[[RawNode], None]] = {
            "Conv": self.conv,
            "Gemm": self.linear,
            "BatchNormalization": self.batch_norm,
            "Clip": self.clip,
            "Max": self.maximum,
            "Add": self.add,
            "Mul": self.multiply,
            "MaxPool": self.pool,
            "AveragePool": self.pool,
            "GlobalAveragePool": self.global_pool,
            "ReduceMean": self.mean,
            "Identity": self.alias,
            "Dropout": self.alias,
        }
        self.handlers |= dict.fromkeys(VIEWS, self.reshape)
        self.handlers |= dict.fromkeys(PLAIN_ACTIVATIONS, self.activation)

    def run(self) -> Graph:
        shape = self.raw.input_shape
        if len(shape) not in (2, 4):
            raise SpaceError(
                f"the example input has shape {list(shape)}; a space takes images "
                "(batch, channels, height, width) or features (batch, features)"
            )
        for node in self.raw.nodes:
            handler = self.handlers.get(node.op)
            if handler is None:
                raise UnsupportedOp(_label(node), node.op, "lpnet does not know this op")
            handler(node)
        self._check_output()
        h, w = (shape[2], shape[3]) if len(shape) == 4 else (1, 1)
        return Graph(tuple(self.nodes), shape[1], h, w, flat=len(shape) == 2)

    def _check_output(self) -> None:
        output = self.values.get(self.raw.output)
        if output is None or not self.nodes or output.index == INPUT:
            raise SpaceError("the output of the model is not made by any op")
        if output.view is not None:
            raise _odd_view(output.view)
        used = {index for node in self.nodes for index in node.inputs} | {output.index}
        for index, node in enumerate(self.nodes):
            if index not in used:
                raise UnsupportedOp(node.name, node.type, "its output is not used")
        modules = Counter(m for n in self.nodes for m in (n.module, n.norm) if m)
        for module, count in modules.items():
            if count > 1:
                raise UnsupportedOp(
                    module, "shared weights", f"the module is called {count} times"
                )

    def source(self, node: RawNode, place: int = 0) -> _Value:
        """A data input of a node."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        value = self.values.get(name)
        if value is None:
            kind = "a parameter" if name in self.raw.parameters else "a constant"
            raise UnsupportedOp(_label(node), node.op, f"its input {name!r} is {kind}")
        if value.view is not None:
            raise _odd_view(value.view)
        return value

    def emit(self, raw: RawNode, node: Node, shape: Shape) -> None:
        """Add a node under a name of its own, and bind the raw node's output to it."""
        name, count = node.name, 1
        while name in self.names:
            count += 1
            name = f"{node.name}#{count}"
        self.names.add(name)
        known = self.raw.shapes.get(raw.outputs[0])
        if known is not None and known != shape and node.type != "pool":
            raise UnsupportedOp(
                _label(raw), raw.op, f"expected shape {list(shape)}, the graph has {list(known)}"
            )
        self.nodes.append(replace(node, name=name))
        self.values[raw.outputs[0]] = _Value(len(self.nodes) - 1, shape)

    def image(self, node: RawNode) -> _Value:
        """The data input of a node that works on pixels."""
        value = self.source(node)
        if len(value.shape) != 4:
            raise UnsupportedOp(
                _label(node),
                node.op,
                f"only two-dimensional images, not shape {list(value.shape)}",
            )
        return value

    def parameter(self, node: RawNode, place: int) -> tuple[str, Shape]:
        """Path of the module whose `weight` feeds a node, and the weight's shape."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        shape = self.raw.parameters.get(name)
        if shape is None or not (name == "weight" or name.endswith(".weight")):
            raise UnsupportedOp(
                _label(node), node.op, f"its weight {name!r} is not the `weight` of a module"
            )
        return name.removesuffix("weight").removesuffix("."), shape

    def conv(self, node: RawNode) -> None:
        value = self.image(node)
        module, shape = self.parameter(node, 1)
        groups = int(node.attr("group", 1))
        if shape[1] * groups != value.shape[1] or shape[0] % groups:
            raise UnsupportedOp(
                _label(node),
                node.op,
                f"weight {list(shape)} does not fit {value.shape[1]} channels",
            )
        ours = Node(
            name=module or node.path,
            type="conv2d",
            inputs=(value.index,),
            c_out=shape[0],
            kernel=_pair(shape[2:]),
            stride=_pair(node.attr("strides", (1, 1))),
            padding=_padding(node),
            dilation=_pair(node.attr("dilations", (1, 1))),
            groups=groups,
            module=module,
            norm=node.norm,
        )
        size = output_size(ours, _pair(value.shape[2:]))
        self.emit(node, ours, (value.shape[0], shape[0], *size))

    def linear(self, node: RawNode) -> None:
        value = self.source(node)
        module, shape = self.parameter(node, 1)
        plain = (node.attr("transA", 0), node.attr("transB", 0)) == (0, 1)
        scales = (node.attr("alpha", 1.0), node.attr("beta", 1.0))
        if not plain or scales != (1.0, 1.0) or len(value.shape) != 2:
            raise UnsupportedOp(_label(node), node.op, "only x W' + b of (batch, features)")
        if shape[1] != value.shape[1]:
            raise UnsupportedOp(
                _label(node),
                node.op,
                f"weight {list(shape)} does not fit {value.shape[1]} features",
            )
        ours = Node(
            name=module or node.path,
            type="linear",
            inputs=(value.index,),
            c_out=shape[0],
            module=module,
            norm=node.norm,
        )
        self.emit(node, ours, (value.shape[0], shape[0]))

    def batch_norm(self, node: RawNode) -> None:
        value = self.source(node)
        if node.attr("training_mode", 0):
            raise UnsupportedOp(_label(node), node.op, "it normalises by the batch's statistics")
        path = _norm_path(node)
        before = self.nodes[value.index] if value.index != INPUT else None
        alone = self.uses[node.inputs[0]] == 1 and not value.shared
        if before is not None and before.weighted and not before.norm and alone:
            self.nodes[value.index] = replace(before, norm=path)
            self.values[node.outputs[0]] = value
            return
        ours = Node(path or node.path, "batch_norm", (value.index,), module=path)
        self.emit(node, ours, value.shape)

    def activation(self, node: RawNode) -> None:
        value = self.source(node)
        if node.op == "Sigmoid" and self._gates_its_input(node):
            self.gates[node.outputs[0]] = node.inputs[0]
            return
        function, defaults = PLAIN_ACTIVATIONS[node.op]
        attributes = tuple(
            (name, _plain(node.attr(name, default))) for name, default in sorted(defaults.items())
        )
        ours = Node(
            node.path, "activation", (value.index,), function=function, attributes=attributes
        )
        self.emit(node, ours, value.shape)

    def _gates_its_input(self, node: RawNode) -> bool:
        """Whether x * sigmoid(x) is all that becomes of a sigmoid."""
        reader = self.readers.get(node.outputs[0])
        pair = {node.inputs[0], node.outputs[0]}
        alone = self.uses[node.outputs[0]] == 1
        return alone and reader is not None and reader.op == "Mul" and set(reader.inputs) == pair

    def clip(self, node: RawNode) -> None:
        value = self.source(node)
        bounds = []
        for place, name in ((1, "min"), (2, "max")):
            given = node.inputs[place] if place < len(node.inputs) else ""
            bound = self.raw.scalar(given)
            if given and bound is None:
                raise UnsupportedOp(_label(node), node.op, f"its {name} is not a constant")
            bounds.append(bound)
        self._clipped(node, value, bounds[0], bounds[1])

    def maximum(self, node: RawNode) -> None:
        bound = self.raw.scalar(node.inputs[1]) if len(node.inputs) == 2 else None
        if bound is None:
            raise UnsupportedOp(_label(node), node.op, "only with a constant")
        self._clipped(node, self.source(node), bound, None)

    def _clipped(
        self, node: RawNode, value: _Value, low: float | None, high: float | None
    ) -> None:
        function = {(0.0, None): "relu", (0.0, 6.0): "relu6"}.get((low or 0.0, high), "clip")
        if low is None:
            function = "clip"
        bounds = (("max", high), ("min", low)) if function == "clip" else ()
        attributes = tuple((name, bound) for name, bound in bounds if bound is not None)
        ours = Node(
            node.path, "activation", (value.index,), function=function, attributes=attributes
        )
        self.emit(node, ours, value.shape)

    def add(self, node: RawNode) -> None:
        if self._neutral(node, 0.0):
            return
        left, right = self.source(node, 0), self.source(node, 1)
        if left.shape != right.shape:
            shapes = f"{list(left.shape)} and {list(right.shape)}"
            raise UnsupportedOp(
                _label(node), node.op, f"only equal shapes are added, not {shapes}"
            )
        self.emit(node, Node(node.path, "add", (left.index, right.index)), left.shape)

    def multiply(self, node: RawNode) -> None:
        if self._neutral(node, 1.0):
            return
        gate = next((name for name in node.inputs if name in self.gates), None)
        if gate is None:
            raise UnsupportedOp(_label(node), node.op, "only x * sigmoid(x)")
        value = self.values[self.gates[gate]]
        ours = Node(node.path, "activation", (value.index,), function="silu")
        self.emit(node, ours, value.shape)

    def _neutral(self, node: RawNode, neutral: float) -> bool:
        """Whether a node adds 0 or multiplies by 1, as exported activations do."""
        for place in (0, 1):
            name = node.inputs[1 - place]
            if node.inputs[place] in self.values and self.raw.scalar(name) == neutral:
                self.rename(node, self.source(node, place), place)
                return True
        return False

    def pool(self, node: RawNode) -> None:
        value = self.image(node)
        mode = "max" if node.op == "MaxPool" else "avg"
        extra = {"ceil_mode": int(node.attr("ceil_mode", 0))}
        if mode == "avg":
            extra["count_include_pad"] = int(node.attr("count_include_pad", 0))
        ours = Node(
            name=node.path,
            type="pool",
            inputs=(value.index,),
            kernel=_pair(node.attr("kernel_shape", ())),
            stride=_pair(node.attr("strides", (1, 1))),
            padding=_padding(node),
            dilation=_pair(node.attr("dilations", (1, 1))),
            mode=mode,
            attributes=tuple(sorted(extra.items())),
        )
        if ours.kernel == ours.stride == (1, 1) and ours.padding == (0, 0):
            self.alias(node)  # an adaptive pooling to the size that is already there
            return
        size = output_size(ours, _pair(value.shape[2:]))
        shape = (*value.shape[:2], *size)
        known = self.raw.shapes.get(node.outputs[0], shape)
        if known != shape:
            raise UnsupportedOp(
                _label(node), node.op, f"expected shape {list(shape)}, the graph has {list(known)}"
            )
        self.emit(node, ours, shape)

    def global_pool(self, node: RawNode) -> None:
        value = self.image(node)
        ours = Node(node.path, "pool", (value.index,), mode="global")
        self.emit(node, ours, (*value.shape[:2], 1, 1))

    def mean(self, node: RawNode) -> None:
        value = self.image(node)
        given = node.attr("axes", None)
        if given is None and len(node.inputs) > 1:
            constant = self.raw.constants.get(node.inputs[1])
            given = None if constant is None else constant.reshape(-1).tolist()
        if given is None or sorted(int(a) % 4 for a in given) != [2, 3]:
            raise UnsupportedOp(_label(node), node.op, "only a mean over height and width")
        ours = Node(node.path, "pool", (value.index,), mode="global")
        self.emit(node, ours, (*value.shape[:2], 1, 1))
        if not node.attr("keepdims", 1):
            flatten = Node(f"{node.path}.flatten", "flatten", (len(self.nodes) - 1,))
            self.emit(node, flatten, value.shape[:2])

    def alias(self, node: RawNode) -> None:
        self.rename(node, self.source(node), 0)

    def rename(self, node: RawNode, value: _Value, place: int) -> None:
        """Bind a node's output to the tensor it hands through unchanged."""
        shared = value.shared or self.uses[node.inputs[place]] > 1
        self.values[node.outputs[0]] = replace(value, shared=shared)

    def reshape(self, node: RawNode) -> None:
        value = self.values.get(node.inputs[0])
        if value is None:
            raise UnsupportedOp(_label(node), node.op, "it reshapes a constant")
        before = value.shape if value.view is None else self._shape_of(value.index)
        after = self.raw.shapes.get(node.outputs[0])
        if after is None and node.op == "Flatten" and node.attr("axis", 1) == 1:
            after = (before[0], _product(before[1:]))
        if after == before:
            self.rename(node, replace(value, view=None, shape=before), 0)
        elif len(before) == 4 and after == (before[0], _product(before[1:])):
            self.emit(node, Node(node.path, "flatten", (value.index,)), after)
        else:
            self.values[node.outputs[0]] = _Value(value.index, after or before, view=node)

    def _shape_of(self, index: int) -> Shape:
        return next(v.shape for v in self.values.values() if v.index == index and v.view is None)


def _odd_view(node: RawNode) -> UnsupportedOp:
    return UnsupportedOp(
        _label(node), node.op, "of reshapes, only flattening to (batch, features) is known"
    )


def _label(node: RawNode) -> str:
    return node.name if node.path in ("", node.name) else f"{node.path} ({node.name})"


def _norm_path(node: RawNode) -> str:
    """Path of a BatchNorm's module, from whichever of its tensors carries it."""
    for name in node.inputs[1:]:
        for suffix in ("weight", "bias", "running_mean", "running_var"):
            if name.endswith(f".{suffix}"):
                return name.removesuffix(f".{suffix}")
    return ""


def _padding(node: RawNode) -> tuple[int, int]:
    if node.attr("auto_pad", "NOTSET") not in ("NOTSET", b"NOTSET"):
        raise UnsupportedOp(_label(node), node.op, "padding must be given in pixels")
    pads = tuple(int(p) for p in node.attr("pads", (0, 0, 0, 0)))
    if len(pads) != 4 or pads[:2] != pads[2:]:
        raise UnsupportedOp(_label(node), node.op, f"padding {list(pads)} differs between sides")
    return pads[0], pads[1]


def _pair(values: object) -> tuple[int, int]:
    first, second = values  # type: ignore[misc, has-type]
    return int(first), int(second)  # type: ignore[has-type]


def _plain(value: object) -> float | str:
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str) else round(float(value), 7)  # type: ignore[arg-type]


def _product(values: Shape) -> int:
    product = 1
    for value in values:
        product *= value
    return product
