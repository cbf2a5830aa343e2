"""Drawing the workloads to measure, with widths as users prune them.

A network has a global ratio r ~ U(0.1, 1) and a jitter per width. A share of the widths is aligned
to 4, 8, 16 or 32 channels. Independent uniform widths would put nearly every network below 60% of
dense and off every granule, unlike pruned networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind, SpaceWorkload

if TYPE_CHECKING:
    from lpnet.space.space import Space

ALIGNMENTS = (4, 8, 16, 32)
SHARES: tuple[tuple[Draw, float], ...] = (
    ("random", 0.0),
    ("mixed", 0.5),
    ("aligned", 1.0),
    ("aligned", 1.0),
)


def draw_widths(space: Space, rng: np.random.Generator, aligned: float) -> NDArray[np.int64]:
    """`aligned` is the probability that a width is a multiple of one of ALIGNMENTS."""
    ratio = rng.uniform(0.1, 1.0)
    return np.array(
        [_draw_width(width.max, width.granule, ratio, aligned, rng) for width in space.widths],
        dtype=np.int64,
    )


def _draw_width(
    max_width: int, granule: int, ratio: float, aligned: float, rng: np.random.Generator
) -> int:
    value = max_width * ratio * rng.uniform(0.75, 1.25)
    step = granule
    if rng.random() < aligned:
        fitting = [q for q in ALIGNMENTS if q <= max_width and q % granule == 0]
        step = int(rng.choice(fitting)) if fitting else granule
    kept = max(step, round(value / step) * step)
    return max_width if kept > max_width else int(kept)


def plan(
    space: Space, *, blocks: int, networks: int, seed: int, batch: int = 1
) -> list[PlannedWorkload]:
    """The workloads of a campaign, in random order.

    They are whole networks, including the dense one, blocks spread evenly over the space, and
    sweeps of single widths within blocks.
    """
    rng = np.random.default_rng(seed)
    planned = [
        _planned(space, "network", draw, w, batch) for draw, w in _networks(space, networks, rng)
    ]
    names = [block.name for block in space.blocks]
    for index in range(blocks):
        part = space.block(names[index % len(names)])
        draw, widths = _block_widths(part, index // len(names), rng)
        planned.append(_planned(space, "block", draw, widths, batch, part))
    order = rng.permutation(len(planned))
    return [planned[i] for i in order]


def _networks(
    space: Space, count: int, rng: np.random.Generator
) -> Iterator[tuple[Draw, NDArray[np.int64]]]:
    if count:
        yield "dense", np.array([width.max for width in space.widths], dtype=np.int64)
    for index in range(count - 1):
        draw, share = SHARES[index % len(SHARES)]
        yield draw, draw_widths(space, rng, share)


def _block_widths(
    part: Space, turn: int, rng: np.random.Generator
) -> tuple[Draw, NDArray[np.int64]]:
    # Turn 0 of a block is dense, every seventh turn sweeps a width, the others are random.
    dense = np.array([width.max for width in part.widths], dtype=np.int64)
    if turn == 0 or not len(dense):
        return "dense", dense
    if turn % 7 == 3:
        index = int(rng.integers(len(dense)))
        width = part.widths[index]
        swept = dense.copy()
        swept[index] = width.granule * rng.integers(1, width.max // width.granule + 1)
        return "sweep", swept
    draw, share = SHARES[int(rng.integers(len(SHARES)))]
    return draw, draw_widths(part, rng, share)


def _planned(
    space: Space,
    kind: Kind,
    draw: Draw,
    widths: NDArray[np.int64],
    batch: int,
    part: Space | None = None,
) -> PlannedWorkload:
    owner = part or space
    named = {w.name: int(k) for w, k in zip(owner.widths, widths, strict=True)}
    block = None if part is None else part.name
    workload = SpaceWorkload(space=space.hash, block=block, widths=named, batch=batch)
    return PlannedWorkload(kind=kind, workload=workload, draw=draw)
