"""What is measured before an LPNet is trained: blocks, networks, and sweeps of single widths."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import lcm
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind, SpaceWorkload, workload_key
from lpnet.space.axis import Width
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space
from lpnet_agent.measure.messages import Item

Vector = NDArray[np.int64]
# The space of a network of the zoo, by name.
Spaces = Callable[[str], Space]
Role = Literal["train", "test", "sweep", "source", "few", "unseen", "chosen"]

# The LPNet is trained on both, and its networks are of these. The second has squeeze-excite.
TRAINED = ("mobilenet_v2", "mobilenet_v3_small")
# An LPNet that is trained on the first is tested on the second.
SOURCE, UNSEEN = "resnet50", "vgg16_bn"
# Share of the widths that are multiples of 4, 8, 16 or 32.
ALIGNED = 0.5
# Widths are swept from this share of their max.
_SWEPT_FROM = 0.25
_STEP = 8
_MIN_SWEPT_MAX = 96


@dataclass(frozen=True)
class Counts:
    """Workloads of each role, by network. `few` are networks of an unseen space to train on;
    `repeats` networks and as many blocks of a part are measured twice."""

    train_blocks: int = 300
    train_networks: int = 30
    test_blocks: int = 60
    test_networks: int = 30
    source_blocks: int = 200
    source_networks: int = 20
    unseen_networks: int = 20
    few: int = 10
    swept_blocks: int = 5
    swept_values: int = 20
    budgets: tuple[float, ...] = (0.35, 0.45, 0.55, 0.65, 0.75)
    repeats: int = 10


QUICK = Counts(
    train_blocks=16,
    train_networks=4,
    test_blocks=4,
    test_networks=3,
    source_blocks=12,
    source_networks=2,
    unseen_networks=2,
    few=2,
    swept_blocks=1,
    swept_values=6,
    budgets=(0.5,),
    repeats=6,
)


@dataclass(frozen=True)
class Part:
    """Workloads of a network of the zoo that have the same role."""

    role: Role
    network: str
    items: tuple[Item, ...]

    @property
    def name(self) -> str:
        return f"{self.role} {self.network}"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(workload_key(item.workload) for item in self.items)


def base_parts(counts: Counts, seed: int, spaces: Spaces) -> list[Part]:
    """What the LPNet is tested and trained on. No workload is in two parts."""
    draws = [Drawing(network, spaces(network), seed) for network in TRAINED]
    # What is repeated comes first, so that a minute has passed by then.
    test = [draw.part("test", counts.test_blocks, counts.test_networks) for draw in draws]
    swept = [draw.sweeps(counts.swept_blocks, counts.swept_values) for draw in draws]
    train = [
        draw.part("train", counts.train_blocks, counts.train_networks, dense=True)
        for draw in draws
    ]
    return [*test, *swept, *train]


def unseen_parts(counts: Counts, seed: int, spaces: Spaces) -> list[Part]:
    """A space to train on, and one that is not trained on."""
    source, unseen = (Drawing(network, spaces(network), seed) for network in (SOURCE, UNSEEN))
    return [
        source.part("source", counts.source_blocks, counts.source_networks, dense=True),
        unseen.part("few", 0, counts.few),
        unseen.part("unseen", 0, counts.unseen_networks),
    ]


class Drawing:
    """Draws workloads of a network of the zoo, each only once."""

    def __init__(self, network: str, space: Space, seed: int) -> None:
        self._network = network
        self._space = space
        # A network's workloads do not depend on the others that are drawn.
        self._rng = np.random.default_rng((seed, zlib.crc32(network.encode())))
        self._taken: set[str] = set()

    def part(self, role: Role, blocks: int, networks: int, *, dense: bool = False) -> Part:
        """Networks and blocks with half of their widths unaligned; with `dense` the first network,
        and the first of each block, are dense."""
        drawn = [
            *self._distinct(self._networks(dense), networks),
            *self._distinct(self._blocks(dense), blocks),
        ]
        return Part(role, self._network, tuple(drawn))

    def sweeps(self, blocks: int, values: int) -> Part:
        """The widest width of some blocks at several values, the others at their max."""
        parts = [self._space.block(block.name) for block in self._space.blocks]
        wide = [part for part in parts if part.widths and _widest(part).max >= _MIN_SWEPT_MAX]
        chosen = np.linspace(0, len(wide) - 1, blocks).round().astype(int)
        items = [
            _item(self._space, part, swept, "sweep")
            for part in (wide[index] for index in chosen)
            for swept in self._sweep(part, values)
        ]
        return Part("sweep", self._network, tuple(items))

    def _sweep(self, part: Space, count: int) -> Iterator[Vector]:
        width = _widest(part)
        index = part.widths.index(width)
        for value in sweep_values(width, count, self._rng):
            widths = part.dense.copy()
            widths[index] = value
            yield widths

    def _distinct(self, items: Iterator[Item], count: int) -> Iterator[Item]:
        """The first items that were not drawn before; fewer if there are hardly any others."""
        drawn = 0
        for _, item in zip(range(20 * count), items, strict=False):
            if drawn == count:
                return
            key = workload_key(item.workload)
            if key not in self._taken:
                self._taken.add(key)
                drawn += 1
                yield item

    def _networks(self, dense: bool) -> Iterator[Item]:
        if dense:
            yield _item(self._space, None, self._space.dense, "dense")
        while True:
            widths = draw_widths(self._space, self._rng, ALIGNED)
            yield _item(self._space, None, widths, "mixed")

    def _blocks(self, dense: bool) -> Iterator[Item]:
        parts = [self._space.block(block.name) for block in self._space.blocks]
        if dense:
            for part in parts:
                yield _item(self._space, part, part.dense, "dense")
        prunable = [part for part in parts if part.widths]
        while True:
            for part in prunable:
                widths = draw_widths(part, self._rng, ALIGNED)
                yield _item(self._space, part, widths, "mixed")


def sweep_values(width: Width, count: int, rng: np.random.Generator) -> list[int]:
    """Ascending values from a quarter of the max up to the max; half of them are multiples of 8,
    evenly spaced, and the others are drawn between."""
    legal = np.arange(width.granule, width.max + 1, width.granule)
    legal = legal[legal >= _SWEPT_FROM * width.max]
    on_step = legal % lcm(_STEP, width.granule) == 0
    aligned, other = legal[on_step], legal[~on_step]
    evenly = np.linspace(0, len(aligned) - 1, min(count // 2, len(aligned))).round().astype(int)
    values = {*aligned[evenly].tolist(), width.max}
    drawn = rng.permutation(other)[: count - len(values)].tolist()
    return sorted({*values, *drawn})


def network_item(space: Space, widths: Vector, draw: Draw) -> Item:
    return _item(space, None, widths, draw)


def _widest(part: Space) -> Width:
    return max(part.widths, key=lambda width: width.max)


def _item(space: Space, part: Space | None, widths: Vector, draw: Draw) -> Item:
    owner = space if part is None else part
    kind: Kind = "network" if part is None else "block"
    block = None if part is None else part.name
    workload = SpaceWorkload(space=space.hash, block=block, widths=owner.named(widths.tolist()))
    return Item(kind=kind, workload=workload, draw=draw)
