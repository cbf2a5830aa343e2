"""Second half of `lpnet demo`: a ResNet-20 that reads digits, pruned to half its latency."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lpnet.cli import show
from lpnet.cli.layout import percent
from lpnet.cli.pruning import report_outcome, run_job
from lpnet.errors import BudgetTooSmall
from lpnet.progress import terminal_progress

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.pruning.job.images import Pictures
    from lpnet.pruning.job.job import Outcome
    from lpnet.space.space import Space

NETWORK = "resnet20"
# So few are enough for an LPNet that knows this machine already, since the pruning job corrects
# its budget by what it measures.
BLOCKS, NETWORKS, PRUNED = 60, 14, 6
# Of the dense latency: the budget, and what is asked instead where that is out of reach.
SHARE, FURTHER = 0.5, (0.6, 0.75, 0.9)

Found = TypeVar("Found")


def learn(client: Client, target: str, known: Space, seed: int) -> None:
    """Measure the network too, unless it is the known one, and train the target's LPNet on all
    samples there are; says on what, and how good it is."""
    from lpnet import zoo

    space = zoo.space(NETWORK)
    if space.hash == known.hash:
        return
    report = client.profile(target, space, BLOCKS, NETWORKS, pruned=PRUNED, repeats=0, seed=seed)
    trained, held = report.trained_on, report.held_out.network
    show.line(
        f"LPNet trained again, on {trained.block} blocks and {trained.network} networks of "
        f"{known.name} and {NETWORK}; held-out networks of both: "
        f"{percent(held.mape_pct if held else None)} off"
    )


def prune_digits(
    client: Client, target: str, pictures: Pictures, epochs: int, seed: int
) -> Outcome:
    """Train the network on pictures, prune it to half its measured latency, or to the least share
    of FURTHER that is in reach, and measure it. Raises BudgetTooSmall where none is."""
    import torch

    from lpnet import zoo
    from lpnet.pruning.job.job import Plan

    predictor = client.predictor(target, zoo.space(NETWORK))

    def prune(share: float) -> Outcome:
        torch.manual_seed(seed)
        network = zoo.model(NETWORK)
        plan = Plan(share=share, pretrain=epochs, gate=epochs, tune=(epochs + 1) // 2, seed=seed)
        with tempfile.TemporaryDirectory() as folder, terminal_progress() as progress:
            outcome = run_job(client, predictor, network, pictures, plan, Path(folder), progress)
        report_outcome(client, outcome, plan, predictor, model=NETWORK, data=pictures.name)
        return outcome

    return least_in_reach(prune)


def least_in_reach(prune: Callable[[float], Found]) -> Found:
    """What comes of the first share of dense latency that `prune` can reach: half, if it can.
    Says why where it cannot. Raises BudgetTooSmall where it reaches none."""
    asked = SHARE
    for further in FURTHER:
        try:
            return prune(asked)
        except BudgetTooSmall as error:
            show.line(f"{asked:.0%} is out of reach, {further:.0%} is asked instead: {error}")
            asked = further
    return prune(asked)


def figures(outcome: Outcome) -> dict[str, Any]:
    """The outcome as the demo's JSON has it: ms, accuracies as shares, channels by width."""
    return {
        "dense_ms": outcome.dense_ms,
        "budget_ms": outcome.budget_ms,
        "predicted_ms": outcome.chosen.predicted_ms,
        "measured_ms": outcome.chosen.measured_ms,
        "kept": outcome.kept,
        "accuracy_before": outcome.accuracy_before,
        "accuracy_after": outcome.accuracy_after,
        "widths": outcome.chosen.widths,
    }
