"""What a space holds, in numbers and names: for `lpnet space` and its picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lpnet.space.compiling import Frozen
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
    # A space file holds no reasons, but its table has the numbers.
    listed = layers(space)
    return sum(layer.frozen for layer in listed), sum(layer.channels for layer in listed)


def frozen_parts(space: Space) -> list[Frozen]:
    """What is frozen, in order; parts of the same node and reason are put together."""
    parts: dict[tuple[str, str, str], Frozen] = {}
    for part in space.frozen:
        key = (part.node, part.op, part.reason)
        if key in parts:
            layers = dict.fromkeys((*parts[key].layers, *part.layers))
            part = replace(part, channels=parts[key].channels + part.channels, layers=(*layers,))
        parts[key] = part
    return list(parts.values())


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


def space_facts(space: Space) -> dict[str, Any]:
    """All facts as plain JSON."""
    frozen, channels = frozen_channels(space)
    tied = tied_layers(space)
    return {
        "name": space.name,
        "hash": space.hash,
        "batch": space.batch,
        "input_shape": list(space.input_shape),
        "input_shapes": input_shapes(space),
        "macs": space.macs(space.dense),
        "params": space.params(space.dense),
        "widths": [
            {
                "name": width.name,
                "max": width.max,
                "granule": width.granule,
                "layers": tied[width.name],
            }
            for width in space.widths
        ],
        "blocks": [block.name for block in space.blocks],
        "channels": channels,
        "frozen_channels": frozen,
        "frozen_pct": 100.0 * frozen / channels if channels else 0.0,
        "frozen": [asdict(part) for part in frozen_parts(space)],
    }
