"""What gates and the latency term add to a training step on the CPU.

    python -m benchmarks.pruning.latency_term [--model resnet20] [--batch 64] [--steps 15]

Three training steps take turns on copies of one network: as it is, with gates, and with gates and
the term. The LPNet has the size that a training makes; its weights do not matter here.
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

ASKED_SHARE = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet20", choices=zoo.NAMES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    torch.manual_seed(0)
    space = zoo.space(options.model)
    pictures = torch.randn(options.batch, *space.input_shape)
    first = zoo.model(options.model)
    steps = {
        name: _Step(copy.deepcopy(first), pictures, options.model, name)
        for name in ("plain", "gates", "gates and term")
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(options.steps + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step.take()
            if turn:  # the first warms up
                times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"{options.model}, batch {options.batch}, {torch.get_num_threads()} threads, medians")
    for name, seconds in medians.items():
        share = seconds / medians["plain"]
        print(f"  {name:<16}{1e3 * seconds:9.2f} ms, {share:.3f} of a plain step")
    added = statistics.median(
        after / before - 1
        for before, after in zip(times["gates"], times["gates and term"], strict=True)
    )
    print(f"the term adds {added:.1%} to a step with gates (asked: at most {ASKED_SHARE:.0%})")
    return 0 if added <= ASKED_SHARE else 1


class _Step:
    """A training step of one of the three kinds."""

    def __init__(self, model: nn.Module, pictures: torch.Tensor, name: str, kind: str) -> None:
        self._model, self._pictures = model, pictures
        self._labels = torch.randint(0, 10, (len(pictures),))
        self._gates = None
        parameters = list(model.parameters())
        if kind != "plain":
            space = zoo.space(name)
            self._gates = WGates(model, space, untrained(space), alpha=0.1)
            parameters += self._gates.parameters()
        self._with_term = kind == "gates and term"
        self._optimiser = torch.optim.SGD(parameters, lr=1e-4)

    def take(self) -> None:
        loss = nn.functional.cross_entropy(self._model(self._pictures), self._labels)
        if self._with_term and self._gates is not None:
            loss = loss + self._gates.latency_loss()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


if __name__ == "__main__":
    raise SystemExit(main())
