"""Time of a local prediction with its gradient by each kind of LPNet, of a forward pass of the
network, and of a line over all values of the widest width. One thread.

    python -m benchmarks.prediction_speed [--model resnet50] [--repeats 500] [--kinds ensemble]

The LPNets have the sizes that training gives them. What their numbers are does not affect the
time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from lpnet import zoo
from lpnet.model.base import LatencyModel
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.limits import HELD_TYPES
from lpnet.model.features import DYNAMIC, STATIC
from lpnet.model.header import Calibration, Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import coverage
from lpnet.model.mixture import Mixture
from lpnet.model.op_process import OpProcess, OpProcessHeader
from lpnet.model.op_process.columns import type_indices
from lpnet.predictor.predictor import Predictor
from lpnet.space.space import Space
from lpnet_service.training.ensemble.fitting import FitSettings
from lpnet_service.training.op_process.fitting import FULL

WARM_UP = 50
MAX_MS = 1.0
MAX_LINE_MS = 200.0
# Static features that vary in the samples of a network: about as many as this.
VARIED = 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50", choices=zoo.NAMES)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--kinds", nargs="*", default=list(UNTRAINED), choices=UNTRAINED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = zoo.space(options.model)
    print(f"{options.model}, {len(space.widths)} widths, one thread, medians")
    print(f"  one forward pass           {_forward_ms(space, options.model):8.3f} ms")
    fast = [_time(kind, space, options.repeats) for kind in options.kinds]
    return 0 if all(fast) else 1


def _time(kind: str, space: Space, repeats: int) -> bool:
    """Print the times of a kind; returns whether they are within the limits."""
    predictor = Predictor(UNTRAINED[kind](space), space)
    widths = torch.tensor(space.dense * 0.7, dtype=torch.float32).requires_grad_()
    widest = max(space.widths, key=lambda width: width.max)

    def gradient() -> object:
        return torch.autograd.grad(predictor(widths), widths)

    def value() -> object:
        with torch.no_grad():
            return predictor(widths)

    with_gradient, alone = _median_ms(gradient, repeats), _median_ms(value, repeats)
    line_ms = _median_ms(lambda: predictor.line(widest.name), 20)
    print(f"  {kind}")
    print(f"    prediction with gradient {with_gradient:8.3f} ms (limit: {MAX_MS:.0f} ms)")
    print(f"    prediction alone         {alone:8.3f} ms")
    print(
        f"    a line of {widest.max:5} values   {line_ms:8.3f} ms, {line_ms / alone:.0f} times "
        f"a prediction (limit: {MAX_LINE_MS:.0f} ms)"
    )
    return with_gradient < MAX_MS and line_ms < MAX_LINE_MS


def untrained(space: Space) -> Predictor:
    """A predictor with an untrained ensemble of the default size, for timing."""
    return Predictor(_ensemble(space), space)


def _facts(space: Space) -> dict[str, Any]:
    return {
        "target": "benchmark",
        "batches": (space.batch,),
        "coverage": coverage(space.table),
        "calibration": Calibration(coverages=(0.9,), block=(1.0,), network=(1.0,)),
    }


def _ensemble(space: Space) -> Ensemble:
    size = FitSettings()
    header = EnsembleHeader(
        members=size.members, hidden=size.hidden, held_types=HELD_TYPES, **_facts(space)
    )
    return Ensemble(header).requires_grad_(False)


def _op_process(space: Space) -> OpProcess:
    """Its inducing kernels are of the types that the space has, as often as there."""
    columns = torch.cat((torch.arange(VARIED), torch.arange(STATIC, STATIC + DYNAMIC)))
    header = OpProcessHeader(inducing=FULL.inducing, columns=len(columns), **_facts(space))
    process, generator = OpProcess(header), torch.Generator().manual_seed(0)
    types = type_indices(KernelTensors.of(space.table, space.batch).static)
    drawn = torch.randint(len(types), (header.inducing,), generator=generator)
    process.columns.copy_(columns)
    process.scale.fill_(0.1)
    process.points.copy_(torch.randn(process.points.shape, generator=generator))
    process.types.copy_(types[drawn].sort().values)
    return process


def _mixture(space: Space) -> Mixture:
    parts = [_op_process(space), _ensemble(space)]
    return Mixture.of(parts, [0.5, 0.5], [1.0, 1.0], Header(**_facts(space)))


UNTRAINED: dict[str, Callable[[Space], LatencyModel]] = {
    Ensemble.kind: _ensemble,
    OpProcess.kind: _op_process,
    Mixture.kind: _mixture,
}


def _forward_ms(space: Space, name: str) -> float:
    model = zoo.model(name).eval()
    image = torch.randn(1, *space.input_shape)

    def forward() -> object:
        with torch.no_grad():
            return model(image)

    return _median_ms(forward, 20)


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    for _ in range(min(WARM_UP, repeats)):
        work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


if __name__ == "__main__":
    raise SystemExit(main())
