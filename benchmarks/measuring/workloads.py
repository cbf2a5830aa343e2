"""The workloads that are measured: blocks and networks of three networks of the zoo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lpnet import zoo
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet_agent.measure.messages import Item

# Blocks of each network, each drawn several times with other widths: limited by arithmetic and by
# memory, plain, depthwise and with squeeze-excite, from 10 microseconds to tens of milliseconds.
BLOCKS = {"mobilenet_v2": 22, "resnet50": 20, "mobilenet_v3_small": 13}
# Shares of the dense widths at which whole networks are measured.
NETWORKS = {"mobilenet_v2": (1.0, 0.5), "resnet50": (1.0,), "mobilenet_v3_small": (1.0, 0.5)}
_DENSE_BLOCKS = 0.3
_MIN_SHARE = 0.3


@dataclass(frozen=True)
class Workload:
    """A workload as an item for the agent, and as a model file for everything else."""

    item: Item
    model: Path

    @property
    def name(self) -> str:
        assert self.item.id is not None
        return self.item.id


class Workloads:
    """The workloads in order; always the same, their widths drawn with a fixed seed."""

    def __init__(self, folder: Path) -> None:
        self.spaces: dict[str, Path] = {}
        self.all: list[Workload] = []
        rng = np.random.default_rng(0)
        for name, count in BLOCKS.items():
            space = zoo.space(name)
            self.spaces[space.hash] = folder / f"{name}.onnx"
            space.save(self.spaces[space.hash])
            for block, widths in _blocks(space, count, rng):
                self._add(folder, name, space, block, widths)
            for share in NETWORKS[name]:
                self._add(folder, name, space, None, _shrunk(space, share))

    def _add(
        self, folder: Path, name: str, space: Space, block: str | None, widths: tuple[int, ...]
    ) -> None:
        part = space if block is None else space.block(block)
        # An id may hold no dot.
        label = f"{len(self.all):02d}-{name}-{block or 'network'}".replace(".", "-")
        model = folder / f"{label}.concrete.onnx"
        named = part.named(widths)
        model.write_bytes(part.concrete(named).SerializeToString())
        workload = SpaceWorkload(space=space.hash, block=block, widths=named)
        kind = "network" if block is None else "block"
        self.all.append(Workload(Item(id=label, kind=kind, workload=workload), model))


def _blocks(
    space: Space, count: int, rng: np.random.Generator
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for index in sorted(rng.integers(0, len(space.blocks), count)):
        name = space.blocks[index].name
        dense = _whole(space.block(name))
        if rng.random() < _DENSE_BLOCKS:
            yield name, dense
        else:
            shares = rng.uniform(_MIN_SHARE, 1.0, len(dense))
            yield (
                name,
                tuple(
                    max(1, round(width * share))
                    for width, share in zip(dense, shares, strict=True)
                ),
            )


def _shrunk(space: Space, share: float) -> tuple[int, ...]:
    """Widths at that share of the dense ones, multiples of 8 where they are at least 16."""
    if share == 1.0:
        return _whole(space)
    return tuple(int(w * share) // 8 * 8 if w >= 16 else w for w in _whole(space))


def _whole(space: Space) -> tuple[int, ...]:
    return tuple(int(width) for width in space.dense)
