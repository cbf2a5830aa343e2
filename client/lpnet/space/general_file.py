"""The file of a space with ops of any kind.

Such a file holds the whole template as JSON in the model's metadata. Its graph is what that
template makes, so that other tools show it; a file with another graph is refused.
"""

from __future__ import annotations

import onnx
from pydantic import BaseModel, ConfigDict, Field

from lpnet.errors import FileFormatError
from lpnet.space.attributes import Attribute
from lpnet.space.axis import Width
from lpnet.space.blocks import Block
from lpnet.space.content import Content, batch_symbol
from lpnet.space.graph import Graph
from lpnet.space.layout import Layout
from lpnet.space.onnx_parts import tensor
from lpnet.space.onnx_writer import assemble, ends, parts
from lpnet.space.outside import Outside, set_metadata
from lpnet.space.parameters import Parameter
from lpnet.space.template import Template
from lpnet.space.validation import check

FORMAT = 2


class _Meta(BaseModel):
    """Everything that a space consists of."""

    # Masks hold infinities.
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, ser_json_inf_nan="constants"
    )

    format: int
    name: str = Field(max_length=500)
    batch: int = Field(ge=1, le=10**9)
    hash: str = Field(max_length=64)
    graph: Graph
    layout: Layout
    widths: tuple[Width, ...]
    blocks: tuple[Block, ...]
    tensors: tuple[Parameter, ...]
    attributes: tuple[Attribute, ...] = ()


def to_model(content: Content) -> onnx.ModelProto:
    template = content.template
    assert template.layout is not None
    graph_parts = parts(template, None)
    weights = [tensor(weight.name, weight.dims) for weight in graph_parts.weights]
    weights += graph_parts.arrays
    model = assemble(
        content.name, graph_parts, ends(template, None, batch_symbol(template)), inputs=weights
    )
    meta = _Meta(
        format=FORMAT,
        name=content.name,
        batch=content.batch,
        hash=content.hash,
        graph=template.graph,
        layout=template.layout,
        widths=template.widths,
        blocks=content.blocks,
        tensors=template.tensors,
        attributes=template.attributes,
    )
    set_metadata(model, meta.model_dump_json(exclude_defaults=True), content)
    return model


def content(data: bytes, text: str, outside: Outside) -> Content:
    """`text` is the metadata, and `outside` what has keys of its own.

    Raises ValueError for metadata that makes no template, and FileFormatError for another graph
    than its own.
    """
    meta = _Meta.model_validate_json(text)
    template = Template.general(
        meta.graph, meta.widths, meta.layout, meta.tensors, meta.attributes
    )
    check(template, meta.blocks)
    result = outside.complete(Content(meta.name, meta.batch, meta.hash, template, meta.blocks))
    if to_model(result).SerializeToString(deterministic=True) != data:
        raise FileFormatError("the space file is damaged: its graph is not that of its metadata")
    return result
