"""W-Gates in a plain PyTorch training loop: a ResNet-20 on scikit-learn's digits.

    python examples/plain_loop.py TARGET [--budget 0.6] [--epochs 4] [--measure]

The service is that of LPNET_URL. All of lpnet that the loop sees is `gates.latency_loss()`.
"""

from __future__ import annotations

import argparse
import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import lpnet
from lpnet.pruning import WGates, recalibrate

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", help="that has an LPNet; `lpnet targets` lists all")
    parser.add_argument("--budget", type=float, default=0.6, help="share of the dense latency")
    parser.add_argument("--epochs", type=int, default=4, help="of each of three phases")
    parser.add_argument("--measure", action="store_true", help="have the device measure it too")
    options = parser.parse_args()

    client = lpnet.Client()
    if client.target(options.target).lpnet is None:
        sys.exit(
            f"target {options.target} has no LPNet yet; measure the network there first: "
            f"lpnet profile {options.target} resnet20"
        )
    torch.manual_seed(0)
    model = lpnet.zoo.model("resnet20")
    space = lpnet.Space.from_model(model, torch.randn(1, 3, 32, 32))
    predictor = client.predictor(options.target, space)
    budget_ms = options.budget * float(predictor(predictor.high))

    seen, unseen = random_split(digits(), [0.8, 0.2])
    batches = DataLoader(seen, BATCH, shuffle=True)
    train(model, batches, options.epochs)
    before = accuracy(model, DataLoader(unseen, BATCH))

    # The pressure takes half of the steps to arrive, so that the others can adapt to it.
    ramp = options.epochs * len(batches) // 2
    gates = WGates(model, space, predictor, budget_ms=budget_ms, ramp=ramp)
    train(model, batches, options.epochs, gates)
    small = gates.finish()
    recalibrate(small, (pictures for pictures, _ in batches))
    train(small, batches, options.epochs)
    after = accuracy(small, DataLoader(unseen, BATCH))

    widths = gates.widths()
    low, high = predictor.interval(widths)
    print(f"widths: {widths}")
    print(f"accuracy: {before:.1%} before, {after:.1%} after")
    print(f"budget: {budget_ms:.4f} ms")
    print(f"predicted: {predictor(widths):.4f} ms, 90% between {low:.4f} and {high:.4f}")
    if options.measure:
        (sample,) = client.measure(options.target, space, widths)
        print(f"measured: {sample.latency_ms:.4f} ms")


def digits() -> TensorDataset:
    """1,797 pictures (3, 32, 32) between -1 and 1, with their labels."""
    found = load_digits()
    grey = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    pictures = nn.functional.interpolate(grey, scale_factor=4).expand(-1, 3, -1, -1)
    return TensorDataset(pictures, torch.tensor(found.target))


def train(
    model: nn.Module,
    batches: DataLoader[tuple[Tensor, ...]],
    epochs: int,
    gates: WGates | None = None,
) -> None:
    groups = [{"params": model.parameters(), "lr": 1e-3}]
    if gates is not None:
        groups.append({"params": gates.parameters(), "lr": 5e-3})
    optimiser = torch.optim.Adam(groups)
    model.train()
    for _ in range(epochs):
        for pictures, labels in batches:
            loss = nn.functional.cross_entropy(model(pictures), labels)
            if gates is not None:
                loss = loss + gates.latency_loss()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()


@torch.no_grad()
def accuracy(model: nn.Module, batches: DataLoader[tuple[Tensor, ...]]) -> float:
    """Share of the pictures whose label the model names first."""
    model.eval()
    right = [model(pictures).argmax(1) == labels for pictures, labels in batches]
    return float(torch.cat(right).float().mean())


if __name__ == "__main__":
    try:
        main()
    except lpnet.LpnetError as error:
        sys.exit(str(error))
