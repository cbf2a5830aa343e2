"""Reading conv, linear, BatchNorm and pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from lpnet.space.graph import Node, output_size
from lpnet.space.onnx_reader.builder import Builder, padding, pair, unsupported
from lpnet.space.raw import RawNode, Shape


def conv(builder: Builder, node: RawNode) -> None:
    value = builder.image(node)
    module, shape = builder.parameter(node, 1)
    groups = int(node.attr("group", 1))
    if len(shape) != 4 or shape[1] * groups != value.shape[1] or shape[0] % groups:
        raise unsupported(node, f"weight {[*shape]} does not match {value.shape[1]} channels")
    ours = Node(
        name=module or node.path,
        type="conv2d",
        inputs=(value.index,),
        c_out=shape[0],
        kernel=pair(shape[2:]),
        stride=pair(node.attr("strides", (1, 1))),
        padding=padding(node),
        dilation=pair(node.attr("dilations", (1, 1))),
        groups=groups,
        module=module,
    )
    size = output_size(ours, pair(value.shape[2:]))
    out_shape = (value.shape[0], shape[0], *size)
    builder.check_shape(node, out_shape)
    builder.emit(node, ours, out_shape)


def linear(builder: Builder, node: RawNode) -> None:
    value = builder.source(node)
    module, shape = builder.parameter(node, 1)
    plain = (node.attr("transA", 0), node.attr("transB", 0)) == (0, 1)
    scales = (node.attr("alpha", 1.0), node.attr("beta", 1.0))
    if not plain or scales != (1.0, 1.0) or len(value.shape) != 2:
        raise unsupported(node, "only x W' + b with input (batch, features) is supported")
    if shape[1] != value.shape[1]:
        raise unsupported(node, f"weight {[*shape]} does not match {value.shape[1]} features")
    ours = Node(module or node.path, "linear", (value.index,), c_out=shape[0], module=module)
    builder.emit(node, ours, (value.shape[0], shape[0]))


def _folds(source: Node | None, shape: Shape) -> TypeGuard[Node]:
    """True for a layer whose output channels are those that a norm after it scales."""
    if source is None or not source.weighted or source.op == "Einsum":
        return False
    return source.type != "linear" or len(shape) == 2


def batch_norm(builder: Builder, node: RawNode) -> None:
    # Fold it into the conv or linear before it if nothing else reads that.
    value = builder.source(node)
    if node.attr("training_mode", 0):
        raise unsupported(node, "training mode, which depends on the batch, is not supported")
    path = _norm_path(node)
    source = builder.nodes[value.index] if value.index >= 0 else None
    if _folds(source, value.shape) and builder.is_only_reader(node, value):
        builder.nodes[value.index] = replace(source, norms=(*source.norms, path))
        builder.fold_bias(value.index)
        builder.values[node.outputs[0]] = value
        return
    if len(value.shape) == 3:
        raise unsupported(node, "only a norm of images or features is supported")
    ours = Node(path or node.path, "batch_norm", (value.index,), module=path)
    builder.emit(node, ours, value.shape)


def _norm_path(node: RawNode) -> str:
    for name in node.inputs[1:]:
        for suffix in (".weight", ".bias", ".running_mean", ".running_var"):
            if name.endswith(suffix):
                return name.removesuffix(suffix)
    return ""


def pool(builder: Builder, node: RawNode) -> None:
    if any(builder.is_used(name) for name in node.outputs[1:] if name):
        raise unsupported(node, "its indices are read")
    value = builder.image(node)
    mode = "max" if node.op == "MaxPool" else "avg"
    extra = {"ceil_mode": int(node.attr("ceil_mode", 0))}
    if mode == "avg":
        extra["count_include_pad"] = int(node.attr("count_include_pad", 0))
    ours = Node(
        name=node.path,
        type="pool",
        inputs=(value.index,),
        kernel=pair(node.attr("kernel_shape", ())),
        stride=pair(node.attr("strides", (1, 1))),
        padding=padding(node),
        dilation=pair(node.attr("dilations", (1, 1))),
        mode=mode,
        attributes=tuple(sorted(extra.items())),
    )
    if ours.kernel == ours.stride == (1, 1) and ours.padding == (0, 0):
        builder.rename(node, value, 0)  # an adaptive pool that keeps the size
        return
    if node.fixed:
        raise unsupported(node, "an adaptive pool has another window at another resolution")
    out_shape = (*value.shape[:2], *output_size(ours, pair(value.shape[2:])))
    builder.check_shape(node, out_shape)
    builder.emit(node, ours, out_shape)


def global_pool(builder: Builder, node: RawNode) -> None:
    value = builder.image(node)
    ours = Node(node.path, "pool", (value.index,), mode="global")
    builder.emit(node, ours, (*value.shape[:2], 1, 1))


def mean(builder: Builder, node: RawNode) -> None:
    # A mean over height and width is a global pool, with or without a flatten.
    value = builder.image(node)
    axes = node.attr("axes", None)
    if axes is None and len(node.inputs) > 1:
        constant = builder.raw.constants.get(node.inputs[1])
        axes = None if constant is None else constant.reshape(-1).tolist()
    if axes is None or sorted(int(a) % 4 for a in axes) != [2, 3]:
        raise unsupported(node, "only a mean over height and width is supported")
    global_pool(builder, node)
    if not node.attr("keepdims", 1):
        pooled = len(builder.nodes) - 1
        flatten = Node(f"{node.path}.flatten", "flatten", (pooled,))
        builder.emit(node, flatten, value.shape[:2])
