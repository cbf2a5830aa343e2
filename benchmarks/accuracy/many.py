"""Ensembles of many LPNets with stacked parameters, against one after another. One thread.

    python -m benchmarks.accuracy.many [--lpnets 8] [--samples 300] [--steps 100]

Each LPNet has its own blocks of ResNet-50 at random widths, with made-up latencies. A stacked step
computes all members of all LPNets in the same products; LPNets with fewer kernels or features are
padded. Prints the processor time of a step for each LPNet, and how far the predictions of both
ways are apart after all steps. Training does not stack: see docs/results/training-cost.md.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from lpnet import zoo
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.ensemble.fitting import FULL, standardise
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.ensemble.stepping import FitInputs, Layers
from lpnet_service.training.records import RecordSet

Errors = Callable[[], Sequence[Tensor]]
PARAMETERS = ("w1", "b1", "w2", "b2", "w3", "b3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lpnets", type=int, default=8)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = zoo.space("resnet50")
    fits = [_prepared(space, options.samples, seed) for seed in range(options.lpnets)]
    single = [Layers(ensemble) for ensemble, _ in fits]
    stacked = Stacked(single, [inputs for _, inputs in fits])
    alone_s = 0.0
    for own, (_, inputs) in zip(single, fits, strict=True):
        alone_s += _fit(own.parameters(), partial(_errors, own, inputs), options.steps)
    together_s = _fit(stacked.parameters(), stacked.errors, options.steps)
    per_step = 1e3 / options.steps / options.lpnets
    with torch.no_grad():
        pairs = zip(single, fits, stacked.errors(), strict=True)
        apart = max(float((own.error(i) - error).abs().max()) for own, (_, i), error in pairs)
    kernels = [inputs.kernels for _, inputs in fits]
    print(f"{options.lpnets} LPNets of {options.samples} samples, {options.steps} steps")
    print(f"  distinct kernels   {min(kernels)} to {max(kernels)}")
    print(f"  one after another  {alone_s * per_step:.2f} ms for each step of an LPNet")
    print(f"  stacked            {together_s * per_step:.2f} ms, {alone_s / together_s:.2f} times")
    print(f"  predictions differ by at most {100 * apart:.2g}%")


class Stacked(nn.Module):
    """The layers of L LPNets along a first axis; features that one of them lacks are 0."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor
    b3: Tensor

    def __init__(self, single: Sequence[Layers], inputs: Sequence[FitInputs]) -> None:
        super().__init__()
        self.members = len(single[0].w2)
        wide, long = max(len(i.features) for i in inputs), max(i.kernels for i in inputs)
        for name in PARAMETERS:
            own = [getattr(layers, name).detach() for layers in single]
            if name == "w1":
                own = [nn.functional.pad(w, (0, wide - w.shape[1])) for w in own]
            setattr(self, name, nn.Parameter(torch.stack(own)))
        self.features = torch.stack(
            [
                nn.functional.pad(i.features, (0, long - i.kernels, 0, wide - len(i.features)))
                for i in inputs
            ]
        )
        self.logs = torch.stack([nn.functional.pad(i.logs, (0, long - i.kernels)) for i in inputs])
        records = np.cumsum([0, *(len(i.target) for i in inputs)])
        self.sizes = np.diff(records).tolist()
        self.number = torch.cat([i.number + n * long for n, i in enumerate(inputs)])
        offsets = zip(inputs, records, strict=False)
        self.segment = torch.cat([i.segment + int(start) for i, start in offsets])
        self.target = torch.cat([i.target for i in inputs])

    def errors(self) -> Sequence[Tensor]:
        """Log of predicted over measured, (M, N) for each LPNet."""
        silu, long = nn.functional.silu, self.features.shape[-1]
        first = silu(torch.baddbmm(self.b1, self.w1, self.features))
        by_member = first.reshape(len(first) * self.members, -1, long)
        hidden = silu(torch.baddbmm(self.b2.flatten(0, 1), self.w2.flatten(0, 1), by_member))
        outputs = torch.baddbmm(self.b3.flatten(0, 1), self.w3.flatten(0, 1), hidden)
        terms = torch.exp(outputs.reshape(-1, self.members, 2, long) + self.logs.unsqueeze(1))
        prices = terms.sum(2).transpose(0, 1).flatten(1).index_select(1, self.number)
        total = torch.zeros(self.members, len(self.target)).index_add(1, self.segment, prices)
        return torch.split(torch.log(total) - self.target, self.sizes, 1)


def _prepared(space: Space, samples: int, seed: int) -> tuple[Ensemble, FitInputs]:
    records = RecordSet.of(_records(space, samples, seed))
    kernels = KernelInputs.of(records)
    header = EnsembleHeader(
        target="many",
        seed=seed,
        members=FULL.members,
        hidden=FULL.hidden,
        batches=(1,),
        coverage=(),
    )
    ensemble = Ensemble(header)
    standardise(ensemble, kernels)
    return ensemble, FitInputs.of(ensemble, kernels)


def _records(space: Space, samples: int, seed: int) -> list[Record]:
    rng = np.random.default_rng(seed)
    blocks = [space.block(block.name) for block in space.blocks]
    records = []
    for number in range(samples):
        block = blocks[number % len(blocks)]
        table = OpTable.from_ops(block.ops(draw_widths(block, rng, 0.5)))
        ms = (1e-2 + 1e-8 * table.macs(np.zeros(0))) * math.exp(rng.normal(0.0, 0.05))
        key = str(number)
        records.append(Record(key, "block", table, 1, float(ms), None, None, None, False))
    return records


def _errors(layers: Layers, inputs: FitInputs) -> list[Tensor]:
    return [layers.error(inputs)]


def _fit(parameters: Iterable[nn.Parameter], errors: Errors, steps: int) -> float:
    """Processor seconds of so many steps of AdamW on the errors of some LPNets."""
    optimiser = torch.optim.AdamW(parameters, FULL.rate, betas=(0.9, 0.98), fused=True)
    began = time.process_time()
    for _ in range(steps):
        loss = torch.stack([error.square().mean(1).sum() for error in errors()]).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
