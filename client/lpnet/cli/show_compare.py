"""Compared targets, as people read them in a terminal."""

from __future__ import annotations

from lpnet.cli.layout import grid_of, noise, put
from lpnet.schemas.compare import CompareFigures, CompareSummary


def summary(found: CompareSummary, blocks: int) -> None:
    """Every target against the first: all workloads in common, by kind, and the `blocks` blocks
    with the most of them."""
    first, *others = (one.target for one in found.targets)
    if found.all is None:
        put(
            f"{', '.join([first, *others])} have no undisturbed workload in common: "
            "`lpnet profile` with the same space and seed draws the same for each"
        )
        return
    part = "" if found.share == 1 else f", a random {found.share:.0%} of them"
    put(f"{found.workloads} workloads in common{part}; latency over that of {first}:")
    for target in others:
        _grid(found, target, blocks)
    for one in found.targets:
        put(f"{one.target}: {noise(one.noise_floor_pct)}")


def _grid(found: CompareSummary, target: str, blocks: int) -> None:
    numbers = ["workloads", "median", "p10", "p90", "fastest in"]
    grid = grid_of(target, "workload", *numbers, numbers=numbers)
    assert found.all is not None
    parts = [("all", found.all), *((f"{one.kind}s", one) for one in found.kinds)]
    parts += [(f"  {one.space_name or ''} {one.block}", one) for one in found.blocks[:blocks]]
    for name, figures in parts:
        grid.add_row(name, str(figures.workloads), *_of(figures, target))
    left = len(found.blocks) - blocks
    put("", grid, *([f"  and {left} blocks more: --blocks"] if blocks and left > 0 else []), "")


def _of(figures: CompareFigures, target: str) -> list[str]:
    (one,) = (one for one in figures.targets if one.target == target)
    ratios = (one.median_ratio, one.p10_ratio, one.p90_ratio)
    return [*(f"{ratio:.2f}x" for ratio in ratios), f"{one.fastest_pct:.0f}%"]
