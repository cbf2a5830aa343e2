"""What a pruning job came to, as people read it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpnet.cli.layout import grid_of, ms, percent, put

if TYPE_CHECKING:
    from lpnet.pruning.job.job import Outcome


def outcome(found: Outcome, target: str) -> None:
    """Dense and pruned network side by side, and whether the promise held on the target."""
    numbers = ["ms predicted", "ms measured", "accuracy", "MACs", "parameters"]
    grid = grid_of(None, "network", *numbers, numbers=numbers)
    for name, predicted, measured, accuracy, macs, params in (
        (
            "dense",
            found.dense_predicted_ms,
            found.dense_ms,
            found.accuracy_before,
            found.macs_before,
            found.params_before,
        ),
        (
            "pruned",
            found.chosen.predicted_ms,
            found.chosen.measured_ms,
            found.accuracy_after,
            found.macs_after,
            found.params_after,
        ),
    ):
        grid.add_row(
            name,
            ms(predicted),
            ms(measured),
            percent(100 * accuracy, 2),
            f"{macs / 1e6:.1f} M",
            f"{params / 1e3:.0f} k",
        )
    put(grid, "", _verdict(found, target))


def _verdict(found: Outcome, target: str) -> str:
    measured_ms, budget_ms = found.chosen.measured_ms, found.budget_ms
    if measured_ms is None:
        return f"{target} gave no undisturbed measurement: whether the promise holds is unknown"
    word = "kept" if found.kept else "NOT kept"
    return (
        f"promise {word}: {ms(measured_ms)} ms measured on {target}, "
        f"{100 * measured_ms / budget_ms:.1f}% of the budget of {ms(budget_ms)} ms"
    )
