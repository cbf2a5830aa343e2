"""Compared targets, printed for people on a terminal."""

from __future__ import annotations

from lpnet.cli.layout import new_grid, noise, print_all
from lpnet.schemas.compare import CompareFigures, CompareSummary


def print_summary(summary: CompareSummary, blocks: int) -> None:
    """`blocks` is the number of blocks to show, those with the most common workloads first."""
    first, *targets = (compared.target for compared in summary.targets)
    if summary.all is None:
        print_all(
            f"{', '.join([first, *targets])} have no undisturbed workload in common: "
            "`lpnet profile` with the same space and seed draws the same workloads for each"
        )
        return
    part = "" if summary.share == 1 else f", a random {summary.share:.0%} of them"
    print_all(f"{summary.workloads} workloads in common{part}; latency over that of {first}:")
    for target in targets:
        _print_target(summary, target, blocks)
    for compared in summary.targets:
        print_all(f"{compared.target}: {noise(compared.noise_floor_pct)}")


def _print_target(summary: CompareSummary, target: str, blocks: int) -> None:
    numbers = ["workloads", "median", "p10", "p90", "fastest in"]
    grid = new_grid(target, "workload", *numbers, numbers=numbers)
    assert summary.all is not None
    rows = [("all", summary.all)]
    rows += [(f"{kind.kind}s", kind) for kind in summary.kinds]
    rows += [
        (f"  {block.space_name or ''} {block.block}", block) for block in summary.blocks[:blocks]
    ]
    for name, figures in rows:
        grid.add_row(name, str(figures.workloads), *_cells(figures, target))
    hidden = len(summary.blocks) - blocks
    print_all("", grid)
    if blocks and hidden > 0:
        print_all(f"  and {hidden} more blocks: --blocks")
    print_all("")


def _cells(figures: CompareFigures, target: str) -> list[str]:
    (ratios,) = (ratios for ratios in figures.targets if ratios.target == target)
    quantiles = (ratios.median_ratio, ratios.p10_ratio, ratios.p90_ratio)
    return [*(f"{ratio:.2f}x" for ratio in quantiles), f"{ratios.fastest_pct:.0f}%"]
