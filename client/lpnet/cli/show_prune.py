"""The outcome of a pruning job, printed for people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpnet.cli.layout import ms, new_grid, percent, print_all
from lpnet.installation import install_command

if TYPE_CHECKING:
    from pathlib import Path

    from lpnet.pruning.job.exported import ExportedWeights
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


def subnormal_message(exported: ExportedWeights, file: Path) -> str:
    """The subnormal weights of an exported network, what they cost, and what to do."""
    from lpnet.subnormals import format_share

    share = format_share(exported.subnormals.facts())
    sentences = [f"the pruned network was trained with subnormal weights: {share}"]
    effect = exported.effect
    if effect is None:
        sentences.append(
            f"What they cost is unknown without ONNX Runtime: {install_command('agent')}"
        )
    else:
        sentences.append(
            f"With them, {file} takes {effect.slowdown:.3g} times as long on this machine as with "
            f"them at zero, which changes outputs by at most {effect.output_change:.1e} (outputs "
            f"go up to {effect.max_output:.3g})"
        )
    if exported.zeroed:
        sentences.append("All files have them at zero")
    else:
        sentences.append(
            "The latency measured above is of random weights and does not show it. Run the "
            "command again with --zero-subnormals: it continues from its checkpoint and writes "
            "the network with them at zero. To time it on the device with its own weights, run "
            f"there: lpnet-agent measure --onnx {file.name}"
        )
    return ". ".join(sentences)
