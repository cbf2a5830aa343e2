"""Op table and concrete template against physically pruned models, on many random widths.

    python -m benchmarks.exactness [--count 1000] [--seed 0]

For each width vector the model is pruned through Torch-Pruning and its layers are counted by
forward hooks. The op table and the concrete ONNX model have to agree with that to the unit: in
channels and groups of every layer, in multiply-accumulates and in parameters.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from lpnet import zoo
from lpnet.space.counting import count_module, count_onnx
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space


def agrees(
    space: Space, model: torch.nn.Module, rng: np.random.Generator, widths: dict[str, int]
) -> bool:
    """Whether the three ways of counting agree on one width vector."""
    kept = {
        width.name: rng.permutation(width.max)[: widths[width.name]].tolist()
        for width in space.widths
    }
    pruned = space.prune(model, kept)
    layers = count_module(pruned, torch.empty(1, *space.input_shape, device="meta"))
    table = [
        (row.name, op.c_in, op.c_out, getattr(op, "groups", 1))
        for row, op in zip(space.table.rows, space.ops(widths), strict=True)
        if row.type in ("conv2d", "linear", "batch_norm")
    ]
    return (
        table == [(layer.name, layer.c_in, layer.c_out, layer.groups) for layer in layers]
        and space.macs(widths) == sum(layer.macs for layer in layers)
        and space.params(widths) == sum(layer.params for layer in layers)
        and count_onnx(space.concrete(widths)) == layers
    )


def widths_of(space: Space, rng: np.random.Generator, turn: int) -> dict[str, int]:
    """In turn: independent and uniform, as users prune, and every width as small as can be."""
    if turn % 10 == 9:
        return space.named([width.granule for width in space.widths])
    if turn % 2:
        return space.named(draw_widths(space, rng, aligned=0.5))
    return space.named(
        [w.granule * int(rng.integers(1, w.max // w.granule + 1)) for w in space.widths]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="width vectors in all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    table = Table("network", "widths", "vectors", "exact", "seconds")
    wrong = 0
    for index, name in enumerate(zoo.PLAIN):
        started = time.perf_counter()
        count = (arguments.count + index) // len(zoo.PLAIN)
        space = zoo.space(name)
        with torch.device("meta"):
            model = zoo.model(name).eval()
        exact = sum(
            agrees(space, model, rng, widths_of(space, rng, turn)) for turn in range(count)
        )
        wrong += count - exact
        took = time.perf_counter() - started
        table.add_row(name, str(len(space.widths)), str(count), str(exact), f"{took:.0f}")
    Console().print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
