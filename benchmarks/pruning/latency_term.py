"""What gates and the latency term add to a training step on the CPU.

    python -m benchmarks.pruning.latency_term [--model resnet20] [--batch 64] [--steps 15]

Training steps of three copies of one network take turns: plain, with gates, and with gates and the
term. The LPNet is untrained, of the default size.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch
from torch import nn

from benchmarks.prediction_speed import untrained
from lpnet import zoo
from lpnet.pruning import WGates

MAX_SHARE = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet20", choices=zoo.NAMES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    torch.manual_seed(0)
    space = zoo.space(options.model)
    images = torch.randn(options.batch, *space.input_shape)
    first = zoo.model(options.model)
    steps = {
        name: _Step(copy.deepcopy(first), images, options.model, name)
        for name in ("plain", "gates", "gates and term")
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(options.steps + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step.take()
            if turn:  # the first warms up
                times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"{options.model}, batch {options.batch}, {torch.get_num_threads()} threads, medians")
    for name, seconds in medians.items():
        share = seconds / medians["plain"]
        print(f"  {name:<16}{1e3 * seconds:9.2f} ms, {share:.3f} of a plain step")
    added = statistics.median(
        after / before - 1
        for before, after in zip(times["gates"], times["gates and term"], strict=True)
    )
    print(f"the term adds {added:.1%} to a step with gates (limit: {MAX_SHARE:.0%})")
    return 0 if added <= MAX_SHARE else 1


class _Step:
    """A training step of one of the three kinds."""

    def __init__(self, model: nn.Module, images: torch.Tensor, name: str, kind: str) -> None:
        self._model, self._images = model, images
        self._labels = torch.randint(0, 10, (len(images),))
        self._gates = None
        parameters = list(model.parameters())
        if kind != "plain":
            space = zoo.space(name)
            self._gates = WGates(model, space, untrained(space), alpha=0.1)
            parameters += self._gates.parameters()
        self._with_term = kind == "gates and term"
        self._optimiser = torch.optim.SGD(parameters, lr=1e-4)

    def take(self) -> None:
        loss = nn.functional.cross_entropy(self._model(self._images), self._labels)
        if self._with_term and self._gates is not None:
            loss = loss + self._gates.latency_loss()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


if __name__ == "__main__":
    raise SystemExit(main())
