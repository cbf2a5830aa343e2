"""Torch-Pruning removes the channels; LPNet says how many of each group.

    pip install torch-pruning
    python examples/torch_pruning_ratios.py TARGET [--budget 0.6] [--measure]

The service is that of LPNET_URL. Put your own trained model where the ResNet-20 is.
"""

from __future__ import annotations

import argparse
import sys

import torch
import torch_pruning as tp
from torch import Tensor, nn

import lpnet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", help="that has an LPNet; `lpnet targets` lists all")
    parser.add_argument("--budget", type=float, default=0.6, help="share of the dense latency")
    parser.add_argument("--measure", action="store_true", help="have the device measure it too")
    options = parser.parse_args()

    client = lpnet.Client()
    if client.target(options.target).lpnet is None:
        sys.exit(
            f"target {options.target} has no LPNet yet; measure the network there first: "
            f"lpnet profile {options.target} resnet20"
        )
    model, example = lpnet.zoo.model("resnet20"), torch.randn(1, 3, 32, 32)
    space = lpnet.Space.from_model(model, example)
    predictor = client.predictor(options.target, space)
    budget_ms = options.budget * float(predictor(predictor.high))
    widths = space.named(predictor.widest(budget_ms, keep=0.1))

    prune(model, example, space, widths)
    require_same(lpnet.Space.from_model(model, example), space, widths)

    low, high = predictor.interval(widths)
    print(f"widths: {widths}")
    print(
        f"multiply-accumulates: {space.macs(space.dense):,} before, {space.macs(widths):,} after"
    )
    print(f"budget: {budget_ms:.4f} ms")
    print(f"predicted: {predictor(widths):.4f} ms, 90% between {low:.4f} and {high:.4f}")
    if options.measure:
        (sample,) = client.measure(options.target, space, widths)
        print(f"measured: {sample.latency_ms:.4f} ms")


def prune(model: nn.Module, example: Tensor, space: lpnet.Space, widths: dict[str, int]) -> None:
    """Have Torch-Pruning leave so many channels, in place.

    A width bears the path of the first layer of its group. A ratio for that layer is one for the
    whole group, which Torch-Pruning finds again as lpnet did.
    """
    ratios = {
        model.get_submodule(width.name): ratio(widths[width.name], width.max)
        for width in space.widths
    }
    pruner = tp.pruner.GroupNormPruner(
        model.eval(),
        example,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.0,  # what is no width, such as the classes, stays whole
        pruning_ratio_dict=ratios,
    )
    pruner.step()


def ratio(kept: int, of: int) -> float:
    """The share to prune that keeps exactly so many channels.

    Torch-Pruning keeps int(of * (1 - ratio)). With a ratio of 1 - kept / of a float just below a
    whole number often makes that one channel too few; half a channel more is cut off.
    """
    return max(0.0, 1 - (kept + 0.5) / of)


def require_same(pruned: lpnet.Space, space: lpnet.Space, widths: dict[str, int]) -> None:
    """Compare the pruned model, traced anew, with what the predictor was asked about."""
    for found, asked in zip(pruned.ops(pruned.dense), space.ops(widths), strict=True):
        if found != asked:
            sys.exit(f"Torch-Pruning left {found}, the predictor was asked about {asked}")


if __name__ == "__main__":
    try:
        main()
    except lpnet.LpnetError as error:
        sys.exit(str(error))
