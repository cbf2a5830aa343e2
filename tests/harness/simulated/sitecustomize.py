"""A simulated device, for processes with this folder on their PYTHONPATH.

Only the clock and the kernel's counters are simulated. An agent's networks are each loaded by
their runtime and run once, and their latencies are computed from their layers. A test that needs
plausible latencies then depends neither on the speed nor on the load of the machine. The workers
of a service train small LPNets. Python imports a module of this name when it starts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from math import ceil, sin
from pathlib import Path
from typing import Any

# The simulated device is never disturbed, so a second visit follows at once.
_SETTINGS = {
    "LPNET_AGENT_VISITS": "2",
    "LPNET_AGENT_GAP_S": "0",
    "LPNET_AGENT_CROWDED": "1",
}
_MEASURING = "lpnet_agent.measure.worker"
# By runtime: the channels that its kernels pad to, and its speed.
_STEPS = {"onnxruntime": 16}
_SPEEDS = {"onnxruntime": 1.0}
_OTHER_STEP, _OTHER_SPEED = 8, 1.25
_JITTER = 0.004


class Clock:
    """A lpnet_agent.measure.clock.Clock whose time passes only while a network runs."""

    def __init__(self) -> None:
        self._now = 0

    def advance_ms(self, ms: float) -> None:
        self._now += round(1e6 * ms)

    def wall(self) -> int:
        return self._now

    def cpu(self) -> int:
        return self._now

    def waited(self) -> int | None:
        return 0

    def sleep_until(self, wall: int) -> None:
        self._now = max(self._now, wall)

    def watch(self, threads: object) -> None: ...

    def close(self) -> None: ...


class Session:
    """A loaded network, as lpnet_agent.runtimes.base describes it."""

    def __init__(self, session: Any, ms: float, clock: Clock) -> None:
        self._session = session
        self._ms = ms
        self._clock = clock
        self._runs = 0

    def run(self, n: int) -> None:
        if self._runs == 0:
            self._session.run(1)
        self._runs += 1
        self._clock.advance_ms(n * self._ms * (1 + _JITTER * sin(self._runs)))

    def infer(self, inputs: Mapping[str, Any]) -> Any:
        return self._session.infer(inputs)


class Runtime:
    """A runtime on the simulated device, as lpnet_agent.runtimes.base describes it."""

    def __init__(self, name: str, runtime: Any, clock: Clock) -> None:
        self._name = name
        self._runtime = runtime
        self._clock = clock

    def describe(self) -> Any:
        return self._runtime.describe()

    def load(self, model: bytes) -> Session:
        return Session(self._runtime.load(model), self._latency_ms(model), self._clock)

    def _latency_ms(self, model: bytes) -> float:
        step = _STEPS.get(self._name, _OTHER_STEP)
        return latency_ms(model, step) / _SPEEDS.get(self._name, _OTHER_SPEED)


def latency_ms(data: bytes, step: int) -> float:
    """Latency of an ONNX model, ms. Dense layers pad input and output channels to `step`, grouped
    ones do not, and other ops cost a little per element."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    graph = model.graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    total = 0.02
    for node in graph.node:
        shape = shapes.get(node.output[0], [1])
        elements = 1
        for side in shape:
            elements *= max(1, side)
        filters = next((weights[name] for name in node.input[1:] if name in weights), ())
        if node.op_type not in ("Conv", "Gemm", "MatMul") or len(filters) < 2:
            total += 1e-6 * elements
            continue
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        area = 1
        for side in filters[2:]:
            area *= side
        channels = shape[1] if len(shape) > 1 else 1
        pixels = elements / max(1, channels)
        if groups > 1:
            total += 2e-6 * pixels * area * filters[0] * filters[1]
        else:
            padded = step**2 * ceil(filters[0] / step) * ceil(filters[1] / step)
            total += 1e-7 * pixels * area * padded
    return total


def _simulate() -> None:
    """Replace what the measuring process times with, before it begins."""
    from lpnet_agent.measure import visits
    from lpnet_agent.measure.clock import SystemClock
    from lpnet_agent.measure.visits import VisitRunner
    from lpnet_agent.runtimes import registry
    from lpnet_agent.runtimes.registry import create_runtime

    clock = Clock()

    def create_simulated(name: str, config: Any) -> Runtime:
        return Runtime(name, create_runtime(name, config), clock)

    setattr(registry, create_runtime.__name__, create_simulated)
    setattr(visits, SystemClock.__name__, lambda: clock)
    # A machine without counters shows no disturbance.
    setattr(visits, VisitRunner.__name__, partial(VisitRunner, root=Path(os.devnull)))


def _hurry() -> None:
    """Train LPNets in a second."""
    from lpnet_service.training.ensemble import trainer
    from lpnet_service.training.ensemble.fitting import QUICK

    vars(trainer)["FULL"] = QUICK


for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
if _MEASURING in sys.orig_argv:
    _simulate()
elif {"lpnet_service", "worker"} <= set(sys.orig_argv):
    _hurry()
