"""The space file: an ONNX model whose weights are inputs with symbolic channel dimensions.

Widths, blocks and the meaning of symbols, which ONNX cannot express, are JSON in the model's
metadata under the key `lpnet`. `lpnet.space.outside` lists what has keys of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper, numpy_helper

from lpnet.errors import FileFormatError, SpaceError
from lpnet.space import general_file
from lpnet.space.axis import Axis, Segment, Width
from lpnet.space.blocks import Block
from lpnet.space.content import Content, batch_symbol
from lpnet.space.graph import Graph
from lpnet.space.limits import MAX_ALL_SEGMENTS, MAX_TABLE, check_bytes, check_graph
from lpnet.space.meta import Meta, MetaFormat
from lpnet.space.onnx_parts import tensor
from lpnet.space.onnx_reader.recognise import recognise
from lpnet.space.onnx_writer import INPUT_NAME, assemble, ends, parts
from lpnet.space.outside import KEY, Outside, set_metadata
from lpnet.space.raw import RawGraph, RawNode, Shape
from lpnet.space.template import Template, lean

FORMAT = 1


def to_model(content: Content) -> onnx.ModelProto:
    template = content.template
    if template.layout is not None:
        return general_file.to_model(content)
    graph_parts = parts(template, None)
    weights = [tensor(weight.name, weight.dims) for weight in graph_parts.weights]
    model = assemble(
        content.name, graph_parts, ends(template, None, batch_symbol(template)), inputs=weights
    )
    axes = [template.input, *template.axes]
    meta = {
        "format": FORMAT,
        "name": content.name,
        "batch": content.batch,
        "hash": content.hash,
        "widths": [lean(width) for width in template.widths],
        "blocks": [asdict(block) for block in content.blocks],
        "dims": {
            axis.label(): [[s.width, s.size, s.inner] for s in axis.segments]
            for axis in axes
            if axis.widths
        },
    }
    set_metadata(model, json.dumps(meta, sort_keys=True), content)
    return model


def from_bytes(data: bytes) -> Content:
    """Raises FileFormatError if `data` is no space file, is damaged or too large, or has a later
    format. The caller compares the hash."""
    check_bytes(data)
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise FileFormatError("not a space file: it is not an ONNX model") from error
    props = {prop.key: prop.value for prop in model.metadata_props}
    if KEY not in props:
        raise FileFormatError("not a space file: an ONNX model without lpnet's metadata")
    check_graph(model)
    try:
        format_ = MetaFormat.model_validate_json(props[KEY]).format
        if format_ not in (FORMAT, general_file.FORMAT):
            raise FileFormatError(
                f"the space file has format {format_}; this lpnet reads up to "
                f"{general_file.FORMAT}"
            )
        outside = Outside.of(props)
        if format_ == general_file.FORMAT:
            return general_file.content(data, props[KEY], outside)
        return outside.complete(_content(model, Meta.model_validate_json(props[KEY])))
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        SpaceError,
    ) as error:
        raise FileFormatError(f"the space file is damaged: {error!r:.1000}") from error


def _content(model: onnx.ModelProto, meta: Meta) -> Content:
    widths = tuple(Width(width.name, width.max, width.granule) for width in meta.widths)
    sizes = {width.name: width.max for width in widths}
    dims = {
        label: Axis(tuple(Segment(*segment) for segment in segments))
        for label, segments in meta.dims.items()
    }
    for label, axis in dims.items():
        if any(s.width is not None and sizes[s.width] != s.size for s in axis.segments):
            raise ValueError(f"dimension {label!r} disagrees with the widths")
    shapes = {value.name: _dims(value) for value in model.graph.input}
    shapes[INPUT_NAME] = (1, *shapes[INPUT_NAME][1:])
    raw = _raw(model, {name: _dense(shape, dims) for name, shape in shapes.items()})
    graph = _with_paths(recognise(raw), model)
    _check_size(len(graph.nodes), len(widths))
    own = {
        i: _axis(shapes[f"{node.name}.weight"][0], dims)
        for i, node in enumerate(graph.nodes)
        if node.weighted
    }
    template = Template.of(graph, widths, _axis(shapes[INPUT_NAME][1], dims), own)
    if sum(len(axis.segments) for axis in template.axes) > MAX_ALL_SEGMENTS:
        raise ValueError("the channels of its tensors have too many segments")
    blocks = tuple(Block(block.name, block.start, block.stop) for block in meta.blocks)
    edges = [0, *(block.stop for block in blocks)]
    if [block.start for block in blocks] != edges[:-1] or edges[-1] != len(graph.nodes):
        raise ValueError("the blocks do not cover the graph")
    return Content(meta.name, meta.batch, meta.hash, template, blocks)


def _check_size(ops: int, widths: int) -> None:
    if ops * widths > MAX_TABLE:
        raise ValueError(f"{ops} ops and {widths} widths are too many")


def _dims(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)


def _dense(shape: tuple[int | str, ...], dims: Mapping[str, Axis]) -> Shape:
    return tuple(_dense_dim(d, dims) for d in shape)


def _dense_dim(value: int | str, dims: Mapping[str, Axis]) -> int:
    if isinstance(value, int):
        return value
    if value in dims:
        return dims[value].dense
    label, groups = value.rsplit("/", 1)
    return dims[label].dense // int(groups)


def _text(value: str | bytes) -> str:
    # protobuf returns bytes if the text is not UTF-8.
    if isinstance(value, bytes):
        raise ValueError(f"the name {value!r} is not UTF-8")
    return value


def _axis(value: int | str, dims: Mapping[str, Axis]) -> Axis:
    return Axis.constant(value) if isinstance(value, int) else dims[value]


def _raw(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> RawGraph:
    graph = model.graph
    return RawGraph(
        nodes=tuple(
            RawNode(
                name=_text(node.name),
                op=_text(node.op_type),
                inputs=tuple(map(_text, node.input)),
                outputs=tuple(map(_text, node.output)),
                attributes={a.name: helper.get_attribute_value(a) for a in node.attribute},
                path=_text(node.name),
            )
            for node in graph.node
        ),
        inputs={INPUT_NAME: shapes[INPUT_NAME]},
        outputs=(graph.output[0].name,),
        parameters={name: shape for name, shape in shapes.items() if name != INPUT_NAME},
        constants={c.name: np.asarray(numpy_helper.to_array(c)) for c in graph.initializer},
    )


def _with_paths(graph: Graph, model: onnx.ModelProto) -> Graph:
    # The module paths are in the metadata of the nodes; names may differ from them.
    props = {n.name: {p.key: _text(p.value) for p in n.metadata_props} for n in model.graph.node}
    return replace(
        graph,
        nodes=tuple(
            replace(
                node,
                module=props[node.name].get("module", ""),
                norms=tuple(json.loads(props[node.name].get("norms", "[]"))),
            )
            for node in graph.nodes
        ),
    )
