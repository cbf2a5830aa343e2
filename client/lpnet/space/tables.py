"""Arrays in a file that may be parameters, or what a module computes in its forward pass.

An example are the angles of rotary embeddings. As constants they leave heads free. As a parameter,
an array of tokens by channels of a head would tie the channels of all heads.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lpnet.space.raw import RawGraph
from lpnet.space.solver.rules.pointwise import OPS
from lpnet.space.solver.solution import solve


def pointwise(raw: RawGraph) -> set[str]:
    """The weights that only pointwise ops read."""
    read = {name for node in raw.nodes if node.op not in OPS for name in node.inputs}
    return set(raw.parameters) - read


def as_constants(raw: RawGraph, names: Collection[str]) -> RawGraph:
    """The graph without some of its weights, which are constants."""
    kept = {name: shape for name, shape in raw.parameters.items() if name not in names}
    return replace(raw, parameters=kept)


def freer(raw: RawGraph) -> RawGraph:
    """The graph of a file, with tables as constants if more channels can be removed then."""
    tables = {
        name for name in pointwise(raw) if sum(side > 1 for side in raw.parameters[name]) > 1
    }
    if not tables:
        return raw
    return max((raw, as_constants(raw, tables)), key=_free)


def _free(raw: RawGraph) -> int:
    return sum(width.max for width in solve(raw, {}).widths)
