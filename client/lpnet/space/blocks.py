"""Cutting a space into blocks, at tensors that everything passes through."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from lpnet.space.graph import Node

LAYERS = 3
# These stay with the op that feeds them, which runtimes fuse them into.
_FOLLOWERS = frozenset({"activation", "batch_norm", "flatten"})


@dataclass(frozen=True)
class Block:
    """Rows `start` to `stop` of the op table."""

    name: str
    start: int
    stop: int


def partition(nodes: tuple[Node, ...]) -> tuple[Block, ...]:
    """Blocks in order, covering all nodes.

    A piece with branches (a residual block) is a block; of single-branch pieces, as many in a row
    make one as have up to LAYERS conv and linear ops.
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
    """The smallest spans between tensors that everything passes through."""
    cuts = [i for i in range(1, len(nodes)) if _passes(nodes, i)]
    apart = set(cuts)
    kept = [
        c for c in cuts if not (nodes[c].type in _FOLLOWERS and (c + 1) in apart | {len(nodes)})
    ]
    edges = [0, *kept, len(nodes)]
    return list(pairwise(edges))


def _passes(nodes: tuple[Node, ...], cut: int) -> bool:
    """Whether all that nodes from `cut` on read of what came before is the node before."""
    return all(i >= cut - 1 for node in nodes[cut:] for i in node.inputs)


def _branches(nodes: tuple[Node, ...], start: int, stop: int) -> bool:
    readers = Counter(max(i, start - 1) for node in nodes[start:stop] for i in set(node.inputs))
    return any(count > 1 for count in readers.values())


def _layers(nodes: tuple[Node, ...], start: int, stop: int) -> int:
    return sum(node.weighted for node in nodes[start:stop])


def _names(nodes: tuple[Node, ...], spans: list[tuple[int, int]]) -> list[str]:
    """The common module path of a block's layers where no other layer lies under it, else the
    path of its first layer."""
    layers = [[n.name for n in nodes[a:b] if n.weighted] or [nodes[a].name] for a, b in spans]
    names = []
    for index, own in enumerate(layers):
        prefix = _common(own)
        others = [name for i, other in enumerate(layers) if i != index for name in other]
        unique = prefix and not any(f"{name}.".startswith(f"{prefix}.") for name in others)
        names.append(prefix if unique else own[0])
    return names


def _common(paths: list[str]) -> str:
    parts = [path.split(".") for path in paths]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return ".".join(shared)
