"""Cutting a space into blocks, at tensors that all data flows through."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from lpnet.space.graph import Node

LAYERS = 3
# Runtimes fuse these into the op before them, so they stay in its block.
_FOLLOWERS = frozenset({"activation", "batch_norm", "flatten"})


@dataclass(frozen=True)
class Block:
    """Rows `start` to `stop` of the op table."""

    name: str
    start: int
    stop: int


def partition(nodes: tuple[Node, ...]) -> tuple[Block, ...]:
    """Blocks in order, which cover all nodes.

    A piece with branches, such as a residual block, is a block. Successive pieces without branches
    are joined into blocks of up to LAYERS conv and linear ops.
    """
    spans: list[tuple[int, int]] = []
    open_ended = False
    for start, stop in _pieces(nodes):
        branching = _branches(nodes, start, stop)
        if open_ended and not branching and _layers(nodes, spans[-1][0], stop) <= LAYERS:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((start, stop))
        open_ended = not branching
    names = _names(nodes, spans)
    return tuple(Block(n, start, stop) for n, (start, stop) in zip(names, spans, strict=True))


def _pieces(nodes: tuple[Node, ...]) -> list[tuple[int, int]]:
    """The smallest spans between tensors that all data flows through."""
    cuts = [i for i in range(1, len(nodes)) if _is_cut(nodes, i)]
    ends = {*cuts, len(nodes)}
    kept = [c for c in cuts if not (nodes[c].type in _FOLLOWERS and c + 1 in ends)]
    edges = [0, *kept, len(nodes)]
    return list(pairwise(edges))


def _is_cut(nodes: tuple[Node, ...], cut: int) -> bool:
    """True if the nodes from `cut` on read no output before that of node `cut` - 1."""
    return all(i >= cut - 1 for node in nodes[cut:] for i in node.inputs)


def _branches(nodes: tuple[Node, ...], start: int, stop: int) -> bool:
    readers = Counter(max(i, start - 1) for node in nodes[start:stop] for i in set(node.inputs))
    return any(count > 1 for count in readers.values())


def _layers(nodes: tuple[Node, ...], start: int, stop: int) -> int:
    return sum(node.weighted for node in nodes[start:stop])


def _names(nodes: tuple[Node, ...], spans: list[tuple[int, int]]) -> list[str]:
    # A block is named after the common module path of its layers, or after its first layer if
    # another block has a layer under that path.
    layers = [[n.name for n in nodes[a:b] if n.weighted] or [nodes[a].name] for a, b in spans]
    names = []
    for index, own in enumerate(layers):
        prefix = _common(own)
        is_unique = not any(
            f"{name}.".startswith(f"{prefix}.")
            for i, other in enumerate(layers)
            if i != index
            for name in other
        )
        names.append(prefix if prefix and is_unique else own[0])
    return names


def _common(paths: list[str]) -> str:
    parts = [path.split(".") for path in paths]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return ".".join(shared)
