"""Which workloads are held out: drawn at random, once per epoch, independently of the LPNet.

At least 10 networks or a quarter of them, whichever is more, but never more than half; a fifth of
the blocks. Up to half of the networks that a pruner chose are held out first: the error on these
matters most, and there are few of them. A dense network is held out only if no other is left: it
was not drawn at random, and it bounds what the LPNet is trained on. Blocks that the service chose
by what they would tell have no side: they are no random part, and are trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from lpnet.schemas.workload import Kind

MIN_NETWORKS = 10
NETWORK_SHARE = 0.25
BLOCK_SHARE = 0.2

# (kind, held out) by workload key.
Sides = Mapping[str, tuple[str, bool]]


@dataclass(frozen=True)
class Candidate:
    """A workload that may be held out."""

    key: str
    kind: Kind
    draw: str | None


def draw_sides(
    candidates: Iterable[Candidate], drawn: Sides, *, target: str, epoch: int
) -> dict[str, tuple[str, bool]]:
    """Draw sides for the workloads that have none: (kind, held out) by key.

    Sides in `drawn` stay, and count towards the shares. The draw is seeded by the target, the
    epoch, and how many sides were drawn before.
    """
    seed = hashlib.sha256(f"{target}/{epoch}/{len(drawn)}".encode()).digest()
    rng = np.random.default_rng(list(seed))
    candidates = [c for c in candidates if c.draw != "chosen"]
    new = {c.key: c for c in sorted(candidates, key=_rank) if c.key not in drawn}
    ordered = [new[key] for key in sorted(new)]
    held_out = _draw_held_out(ordered, drawn, "network", rng)
    held_out |= _draw_held_out(ordered, drawn, "block", rng)
    return {c.key: (c.kind, c.key in held_out) for c in ordered}


def _rank(candidate: Candidate) -> tuple[bool, str]:
    # If a workload was drawn in several ways, the highest rank counts, whatever the order of
    # samples.
    return candidate.draw == "dense", candidate.draw or ""


def _draw_held_out(
    new: Sequence[Candidate], drawn: Sides, kind: Kind, rng: np.random.Generator
) -> set[str]:
    before = [held_out for drawn_kind, held_out in drawn.values() if drawn_kind == kind]
    pool = [c for c in new if c.kind == kind]
    missing = held_out_count(kind, len(before) + len(pool)) - sum(before)
    pool = [pool[i] for i in rng.permutation(len(pool))]
    pruned = [c for c in pool if c.draw == "pruned"]
    first = pruned[: min(len(pruned) // 2, max(missing, 0) // 2)]
    second = sorted((c for c in pool if c not in first), key=lambda c: c.draw == "dense")
    return {c.key for c in [*first, *second][: max(missing, 0)]}


def held_out_count(kind: Kind, count: int) -> int:
    if kind == "block":
        return round(BLOCK_SHARE * count)
    return min(max(MIN_NETWORKS, ceil(NETWORK_SHARE * count)), count // 2)
