"""The outcome of a pruning job, printed for people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpnet.cli.layout import ms, new_grid, percent, print_all, print_line

if TYPE_CHECKING:
    from lpnet.pruning.job.job import Outcome


def print_outcome(outcome: Outcome, target: str) -> None:
    numbers = ["ms predicted", "ms measured", "accuracy", "MACs", "parameters"]
    grid = new_grid(None, "network", *numbers, numbers=numbers)
    for name, predicted, measured, accuracy, macs, params in (
        (
            "dense",
            outcome.dense_predicted_ms,
            outcome.dense_ms,
            outcome.accuracy_before,
            outcome.macs_before,
            outcome.params_before,
        ),
        (
            "pruned",
            outcome.chosen.predicted_ms,
            outcome.chosen.measured_ms,
            outcome.accuracy_after,
            outcome.macs_after,
            outcome.params_after,
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
    print_all(grid, "", _verdict(outcome, target))
    if outcome.subnormal_pct:
        print_line(subnormal_advice(outcome.subnormal_pct))


def _verdict(outcome: Outcome, target: str) -> str:
    measured_ms, budget_ms = outcome.chosen.measured_ms, outcome.budget_ms
    if measured_ms is None:
        return f"{target} has no undisturbed measurement: whether the budget is met is unknown"
    verdict = "budget met" if outcome.kept else "budget NOT met"
    if not outcome.kept and measured_ms < budget_ms:
        verdict = "budget not used up"
    return (
        f"{verdict}: {ms(measured_ms)} ms measured on {target}, "
        f"{100 * measured_ms / budget_ms:.1f}% of the budget of {ms(budget_ms)} ms"
    )


def subnormal_advice(share_pct: float) -> str:
    share = f"{share_pct:.1f}%" if share_pct >= 0.1 else "under 0.1%"
    return (
        f"{share} of the pruned network's weights are subnormal (below 1.2e-38): many CPUs "
        "compute with them several times slower, and the measured latency, with random weights, "
        "does not show it. Run the command again with --zero-subnormals: it continues from its "
        "checkpoint and writes the network with them at zero"
    )
