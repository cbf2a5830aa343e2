"""From a raw graph to a template: widths are solved, ops are recognised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lpnet.errors import SpaceError
from lpnet.space.attributes import Attribute
from lpnet.space.axis import Axis
from lpnet.space.blocks import Block, partition
from lpnet.space.graph import Graph
from lpnet.space.layout import Layout
from lpnet.space.onnx_reader.recognise import recognise_any
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.parameter_counts import RowParameters
from lpnet.space.parameters import Parameter
from lpnet.space.raw import RawGraph
from lpnet.space.row_parameters import row_parameters
from lpnet.space.solver.solution import Solution, solve
from lpnet.space.solver.state import Event
from lpnet.space.tables import freer
from lpnet.space.template import Template
from lpnet.space.ties import Tie


@dataclass(frozen=True)
class Frozen:
    """A node that keeps `channels` output channels of layers, and why.

    `layers` are those that were frozen by name: by hand, or since cutting them fails.
    """

    node: str
    op: str
    reason: str
    channels: int = 0
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """What a raw graph becomes. `channels` are the output channels of all layers, and `lost` is a
    tensor whose batch axis cannot be told, or None. `axes` are those of its tensors, and `rows`
    the rows of the op table that compute them."""

    template: Template
    frozen: tuple[Frozen, ...]
    channels: int
    lost: str | None
    layers: tuple[str, ...]
    axes: TensorAxes
    rows: Mapping[str, int]


def compile_graph(
    raw: RawGraph,
    keep: Mapping[str, Event],
    attributes: tuple[Attribute, ...] = (),
    ties: Sequence[Tie] = (),
) -> Compiled:
    """`keep` are reasons to freeze layers, by name. `attributes` are numbers of modules."""
    solution = solve(raw, keep, [tie.apply for tie in ties])
    axes = TensorAxes(raw, solution)
    graph, layout, rows = recognise_any(raw, axes)
    frozen = tuple(
        Frozen(
            f.event.node,
            f.event.op,
            f.event.reason,
            f.channels,
            tuple(layer for layer, event in keep.items() if event == f.event),
        )
        for f in solution.frozen
    )
    tensors = tuple(_parameters(raw, solution))
    template = None if attributes else _plain(graph, layout, solution)
    lost = None
    if template is None or not _has_all(template, tensors):
        lost = axes.lost
        template = Template.general(graph, solution.widths, layout, tensors, attributes)
    return Compiled(template, frozen, solution.channels, lost, solution.layers, axes, rows)


def compile_frozen(
    raw: RawGraph,
    frozen: Sequence[str],
    keep: Mapping[str, Event] | None = None,
    attributes: tuple[Attribute, ...] = (),
    ties: Sequence[Tie] = (),
) -> Compiled:
    """`frozen` are patterns of layer names. Raises SpaceError for one that matches none."""
    by_name = dict(keep or {})
    compiled = compile_graph(raw, by_name, attributes, ties)
    if not frozen:
        return compiled
    for pattern in frozen:
        names = [name for name in compiled.layers if fnmatchcase(name, pattern)]
        if not names:
            raise SpaceError(
                f"frozen: no layer matches {pattern!r}; layers are "
                f"{', '.join(compiled.layers)[:1000]}"
            )
        by_name |= dict.fromkeys(names, Event(pattern, "frozen", "frozen by hand"))
    return compile_graph(raw, by_name, attributes, ties)


Parts = tuple[Template, tuple[Block, ...], int, tuple[Frozen, ...], int, tuple[RowParameters, ...]]


def compile_raw(raw: RawGraph, frozen: Sequence[str]) -> Parts:
    """Template, blocks, batch size, what is frozen, the output channels of all layers, and the
    parameters of rows."""
    return parts(compile_frozen(freer(raw), frozen), raw.batch)


def parts(compiled: Compiled, batch: int) -> Parts:
    template, axes = compiled.template, compiled.axes
    parameters = row_parameters(axes.raw, axes.solution, compiled.rows, template)
    blocks = partition(template)
    return template, blocks, batch, compiled.frozen, compiled.channels, parameters


def _plain(graph: Graph, layout: Layout, solution: Solution) -> Template | None:
    """A template of plain ops on images, whose channels need no layout. None for another graph."""
    last = len(graph.nodes) - 1
    modules = [m for node in graph.nodes for m in (node.module, *node.norms) if m]
    simple = (
        not any(node.slots for node in graph.nodes)
        and not any(width.layout for width in solution.widths)
        and len(layout.inputs) == 1
        and layout.outputs == (last,)
        and len(layout.inputs[0].dims) in (2, 4)
        and len(set(modules)) == len(modules)
        and {i for node in graph.nodes for i in node.inputs} >= set(range(last))
    )
    if not simple:
        return None
    axes = [tensor.dims[1] for tensor in layout.tensors]
    own = {i: axes[i] for i, node in enumerate(graph.nodes) if node.weighted}
    template = Template.of(graph, solution.widths, layout.inputs[0].dims[1], own)
    same = all(a.affine() == b.affine() for a, b in zip(template.axes, axes, strict=True))
    return template if same else None


def _has_all(template: Template, tensors: Sequence[Parameter]) -> bool:
    """False if a parameter with widths is not where a plain layer has it."""
    names = {parameter.name for parameter in template.parameters}
    return names.issuperset(parameter.name for parameter in tensors)


def _parameters(raw: RawGraph, solution: Solution) -> Iterator[Parameter]:
    for name in raw.parameters:
        axes, reads = solution.dims(name), solution.group_reads(name)
        if reads is not None:
            groups = reads.dense // axes[1].dense
            yield Parameter(
                name, (axes[0], Axis.constant(axes[1].dense), *axes[2:]), groups, reads
            )
        elif any(axis.widths for axis in axes):
            yield Parameter(name, axes)
