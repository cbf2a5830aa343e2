"""Time of a local prediction with its gradient, compared with a forward pass of the network, and
time of a line over all values of the widest width, compared with a prediction. One thread.

    python -m benchmarks.prediction_speed [--model resnet50] [--repeats 500]

The LPNet has the default size; its weights do not affect the time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from lpnet import zoo
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.limits import HELD_TYPES
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.predictor.predictor import Predictor
from lpnet.space.space import Space
from lpnet_service.training.ensemble.fitting import FitSettings

WARM_UP = 50
MAX_MS = 1.0
MAX_LINE_MS = 200.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50", choices=zoo.NAMES)
    parser.add_argument("--repeats", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = zoo.space(options.model)
    predictor = untrained(space)
    widths = torch.tensor(space.dense * 0.7, dtype=torch.float32).requires_grad_()

    def gradient() -> object:
        return torch.autograd.grad(predictor(widths), widths)

    def value() -> object:
        with torch.no_grad():
            return predictor(widths)

    widest = max(space.widths, key=lambda width: width.max)

    def line() -> object:
        return predictor.line(widest.name)

    model = zoo.model(options.model).eval()
    image = torch.randn(1, *space.input_shape)

    def forward() -> object:
        with torch.no_grad():
            return model(image)

    with_gradient = _median_ms(gradient, options.repeats)
    without = _median_ms(value, options.repeats)
    forward_ms, line_ms = _median_ms(forward, 20), _median_ms(line, 20)
    print(f"{options.model}, {len(space.widths)} widths, one thread, medians")
    print(f"  prediction with gradient   {with_gradient:8.3f} ms (limit: {MAX_MS:.0f} ms)")
    print(f"  prediction alone           {without:8.3f} ms")
    print(
        f"  one forward pass           {forward_ms:8.3f} ms, "
        f"{forward_ms / with_gradient:.0f} times more"
    )
    print(
        f"  a line of {widest.max:5} values     {line_ms:8.3f} ms, {line_ms / without:.0f} times "
        f"a prediction (limit: {MAX_LINE_MS:.0f} ms)"
    )
    return 0 if with_gradient < MAX_MS and line_ms < MAX_LINE_MS else 1


def untrained(space: Space) -> Predictor:
    """A predictor with an untrained LPNet of the default size, for timing."""
    size = FitSettings()
    header = EnsembleHeader(
        target="benchmark",
        members=size.members,
        hidden=size.hidden,
        held_types=HELD_TYPES,
        batches=(space.batch,),
        coverage=coverage(space.table),
        calibration=Calibration(coverages=(0.9,), block=(1.0,), network=(1.0,)),
    )
    return Predictor(Ensemble(header).requires_grad_(False), space)


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
