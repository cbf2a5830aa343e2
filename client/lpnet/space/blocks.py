"""Cutting a space into blocks, at tensors that all data flows through."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from lpnet.space.graph import Node
from lpnet.space.template import Template

LAYERS = 3
# Runtimes fuse these into the op before them, so they stay in its block.
_FOLLOWERS = frozenset({"activation", "batch_norm", "flatten"})
# A block of a graph without narrow passages has at most as many ops.
MAX_OPS = 24


@dataclass(frozen=True)
class Block:
    """Rows `start` to `stop` of the op table."""

    name: str
    start: int
    stop: int


def partition(template: Template) -> tuple[Block, ...]:
    """Blocks in order, which cover all nodes.

    A piece with branches, such as a residual block, is a block. Successive pieces without branches
    are joined into blocks of up to LAYERS layers. In a graph of any ops a piece of more than
    MAX_OPS ops is cut where few tensors are live.
    """
    nodes = template.graph.nodes
    pieces = _pieces(nodes)
    if template.layout is not None:
        pieces = [part for piece in pieces for part in _short(nodes, *piece)]
    spans: list[tuple[int, int]] = []
    open_ended = False
    for start, stop in pieces:
        branching = _branches(nodes, start, stop)
        joined = open_ended and not branching and _layers(nodes, spans[-1][0], stop) <= LAYERS
        if joined and (template.layout is None or stop - spans[-1][0] <= MAX_OPS):
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((start, stop))
        open_ended = not branching
    names = _unique(_names(nodes, spans))
    return tuple(Block(n, start, stop) for n, (start, stop) in zip(names, spans, strict=True))


def _short(nodes: tuple[Node, ...], start: int, stop: int) -> list[tuple[int, int]]:
    """A span in parts of at most MAX_OPS ops."""
    parts = []
    while stop - start > MAX_OPS:
        cuts = range(start + MAX_OPS // 2, start + MAX_OPS + 1)
        cut = min(cuts, key=lambda c: (_inseparable(nodes, c), _live(nodes, start, c), -c))
        parts.append((start, cut))
        start = cut
    return [*parts, (start, stop)]


def _inseparable(nodes: tuple[Node, ...], cut: int) -> bool:
    """True if node `cut` runs in the kernel of the op before it, or is a further output of it."""
    follows = cut - 1 in nodes[cut].inputs and nodes[cut].type in _FOLLOWERS
    return follows or nodes[cut].op == "part"


def _live(nodes: tuple[Node, ...], start: int, cut: int) -> int:
    return len({i for node in nodes[cut:] for i in node.inputs if i < cut})


def _unique(names: list[str]) -> list[str]:
    counts: Counter[str] = Counter()
    result = []
    for name in names:
        counts[name] += 1
        result.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return result


def _pieces(nodes: tuple[Node, ...]) -> list[tuple[int, int]]:
    """The smallest spans between tensors that all data flows through."""
    cuts = [i for i in range(1, len(nodes)) if _is_cut(nodes, i)]
    ends = {*cuts, len(nodes)}
    kept = [
        c
        for c in cuts
        if not (nodes[c].type in _FOLLOWERS and c + 1 in ends) and nodes[c].op != "part"
    ]
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
