"""Second part of `lpnet demo`: a ResNet-20 that classifies digits, pruned to half its latency."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lpnet.cli.layout import percent, print_line
from lpnet.cli.pruning import report_outcome, run_job
from lpnet.errors import BudgetTooSmall
from lpnet.progress import terminal_progress
from lpnet.quality.text import print_quality

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.pruning.job.images import ImageDataset
    from lpnet.pruning.job.job import Outcome
    from lpnet.space.space import Space

NETWORK = "resnet20"
# Few samples are enough: the LPNet knows this machine already, and the pruning job corrects its
# budget by measuring.
BLOCKS, NETWORKS, PRUNED = 60, 14, 6
# Budgets as shares of the dense latency; a larger one is tried where a smaller is not feasible.
_SHARES = (0.5, 0.6, 0.75, 0.9)

T = TypeVar("T")


def profile_network(
    client: Client, target: str, measured: Space, seed: int, keep_going: bool = False
) -> None:
    """Measure NETWORK and train the target's LPNet on all its samples; prints the error.

    Does nothing if NETWORK is the space that was `measured` before.
    """
    from lpnet import zoo

    space = zoo.space(NETWORK)
    if space.hash == measured.hash:
        return
    report = client.profile(
        target,
        space,
        BLOCKS,
        NETWORKS,
        pruned=PRUNED,
        repeats=0,
        seed=seed,
        keep_going=keep_going,
        on_quality=print_quality,
    )
    train, test = report.trained_on, report.held_out.network
    print_line(
        f"LPNet trained again, on {train.block} blocks and {train.network} networks of "
        f"{measured.name} and {NETWORK}; error on held-out networks of both: "
        f"{percent(test.mape_pct if test else None)}"
    )


def prune_digits(
    client: Client, target: str, images: ImageDataset, epochs: int, seed: int
) -> Outcome:
    """Train NETWORK, prune it to half its latency or the smallest feasible share, and measure it.

    Raises BudgetTooSmall if no share is feasible.
    """
    import torch

    from lpnet import zoo
    from lpnet.pruning.job.job import Plan

    predictor = client.predictor(target, zoo.space(NETWORK))

    def prune(share: float) -> Outcome:
        torch.manual_seed(seed)
        network = zoo.model(NETWORK)
        plan = Plan(share=share, pretrain=epochs, gate=epochs, tune=(epochs + 1) // 2, seed=seed)
        with tempfile.TemporaryDirectory() as folder, terminal_progress() as progress:
            outcome = run_job(client, predictor, network, images, plan, Path(folder), progress)
        report_outcome(client, outcome, plan, predictor, model=NETWORK, data=images.name)
        return outcome

    return prune_to_smallest_share(prune)


def prune_to_smallest_share(prune: Callable[[float], T]) -> T:
    """The result of `prune` for the smallest feasible share of the dense latency.

    Prints why smaller shares are not feasible. Raises BudgetTooSmall if none is.
    """
    for share, next_share in pairwise(_SHARES):
        try:
            return prune(share)
        except BudgetTooSmall as error:
            print_line(f"a budget of {share:.0%} is too small, trying {next_share:.0%}: {error}")
    return prune(_SHARES[-1])


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Latencies in ms, accuracies as shares, channels by width."""
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
