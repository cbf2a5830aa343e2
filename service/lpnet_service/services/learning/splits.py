"""Which workloads are held out: drawn at random, once for an epoch, never by the LPNet.

At least 10 networks or a quarter of them, whichever is more, but never more than half; a fifth of
the blocks. Up to half of the networks that a pruner chose are drawn first, since the error on
those is the figure that counts, and there are few of them. A dense workload was not drawn at
random, and bounds what the LPNet has seen: it is held out only where nothing else is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from lpnet.schemas.workload import Kind

LEAST_NETWORKS = 10
NETWORK_SHARE = 0.25
BLOCK_SHARE = 0.2

Sides = Mapping[str, tuple[str, bool]]


@dataclass(frozen=True)
class Candidate:
    """A workload that may be held out."""

    key: str
    kind: Kind
    draw: str | None


def draw_sides(
    candidates: Iterable[Candidate], known: Sides, *, target: str, epoch: int
) -> dict[str, tuple[str, bool]]:
    """Sides for the workloads that have none: kind, and whether held out, by key.

    `known` are the sides drawn before; they stay, and count towards the shares. The draw is
    seeded by the target, the epoch, and how many sides were known.
    """
    seed = hashlib.sha256(f"{target}/{epoch}/{len(known)}".encode()).digest()
    rng = np.random.default_rng(list(seed))
    new = {c.key: c for c in sorted(candidates, key=_rank) if c.key not in known}
    ordered = [new[key] for key in sorted(new)]
    out = _drawn(ordered, known, "network", rng) | _drawn(ordered, known, "block", rng)
    return {c.key: (c.kind, c.key in out) for c in ordered}


def _rank(candidate: Candidate) -> tuple[bool, str]:
    """Of a workload drawn in several ways, one always counts, whatever the order of samples."""
    return candidate.draw == "dense", candidate.draw or ""


def _drawn(
    new: Sequence[Candidate], known: Sides, kind: Kind, rng: np.random.Generator
) -> set[str]:
    before = [held_out for kind_, held_out in known.values() if kind_ == kind]
    pool = [c for c in new if c.kind == kind]
    wanted = held_out_of(kind, len(before) + len(pool)) - sum(before)
    pool = [pool[i] for i in rng.permutation(len(pool))]
    pruned = [c for c in pool if c.draw == "pruned"]
    first = pruned[: min(len(pruned) // 2, max(wanted, 0) // 2)]
    rest = sorted((c for c in pool if c not in first), key=lambda c: c.draw == "dense")
    return {c.key for c in [*first, *rest][: max(wanted, 0)]}


def held_out_of(kind: Kind, count: int) -> int:
    """How many of so many workloads of a kind are held out."""
    if kind == "block":
        return round(BLOCK_SHARE * count)
    return min(max(LEAST_NETWORKS, ceil(NETWORK_SHARE * count)), count // 2)
