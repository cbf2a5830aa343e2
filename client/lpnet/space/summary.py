"""What a space holds, in numbers and names."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lpnet.schemas.space import FrozenPart, SpaceSummary, TiedWidth
from lpnet.space.frozen_parts import merged
from lpnet.space.table import WEIGHTED

if TYPE_CHECKING:
    from lpnet.space.space import Space


@dataclass(frozen=True)
class Layer:
    """A layer of the op table: its position, output channels, and how many of them are frozen.

    `widths` are the names of those that its other channels belong to.
    """

    row: int
    name: str
    channels: int
    frozen: int
    widths: tuple[str, ...]


def layers(space: Space) -> list[Layer]:
    table = space.table
    channels = table.c_out(space.dense.astype(float))
    names = [width.name for width in space.widths]
    return [
        Layer(
            index,
            row.name,
            round(channels[index]),
            # A layer of a single channel has nothing to remove.
            round(table.b_out[index]) if channels[index] > 1 else 0,
            tuple(names[column] for column in table.a_out[index].nonzero()[0]),
        )
        for index, row in enumerate(table.rows)
        if row.type in WEIGHTED
    ]


def tied_layers(space: Space) -> dict[str, list[str]]:
    """The layers whose output channels belong to each width, in execution order.

    A layer that runs several times is listed once.
    """
    tied: dict[str, dict[str, None]] = {width.name: {} for width in space.widths}
    for layer in layers(space):
        for width in layer.widths:
            tied[width][layer.name] = None
    return {width: list(names) for width, names in tied.items()}


def frozen_channels(space: Space) -> tuple[int, int]:
    """Frozen output channels of layers, and all of them."""
    if space.channels:
        return sum(part.channels for part in space.frozen), space.channels
    # A file of an older lpnet holds no reasons, but its table has the numbers.
    listed = layers(space)
    return sum(layer.frozen for layer in listed), sum(layer.channels for layer in listed)


def input_shapes(space: Space) -> list[list[int]]:
    """The shape of each input, at the batch size of the space."""
    layout = space.template.layout
    if layout is None:
        graph = space.template.graph
        return [[space.batch, graph.c] + ([] if graph.flat else [graph.h, graph.w])]
    shapes = []
    for tensor in layout.inputs:
        sides = [axis.dense for axis in tensor.dims]
        if tensor.batch is not None:
            sides[tensor.batch] *= space.batch
        shapes.append(sides)
    return shapes


def summary(space: Space) -> SpaceSummary:
    frozen, channels = frozen_channels(space)
    tied = tied_layers(space)
    return SpaceSummary(
        name=space.name,
        hash=space.hash,
        batch=space.batch,
        input_shape=space.input_shape,
        input_shapes=tuple(tuple(shape) for shape in input_shapes(space)),
        macs=space.macs(space.dense),
        params=space.params(space.dense),
        widths=tuple(
            TiedWidth(
                name=width.name,
                max=width.max,
                granule=width.granule,
                layers=tuple(tied[width.name]),
            )
            for width in space.widths
        ),
        blocks=tuple(block.name for block in space.blocks),
        channels=channels,
        frozen_channels=frozen,
        frozen_pct=100.0 * frozen / channels if channels else 0.0,
        frozen=tuple(FrozenPart(**asdict(part)) for part in merged(space.frozen)),
    )
