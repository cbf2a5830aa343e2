"""The usual ways to measure latency, in a separate process on one core.

`python -m benchmarks.measuring.peers CORE` reads paths of ONNX models, one per line, and answers
each with a JSON object: ms by method. All methods run the same ONNX Runtime session. After `50 ` a
model is only loaded and run 50 times, to compare what that takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[int], None]

METHODS = ("naive median", "naive mean", "adaptive_autorange", "fixed 50 runs")
# The agent's budgets for blocks and networks, distinguished by the time of one run.
SHORT_S, LONG_S, LONG_RUN_S = 0.15, 0.8, 3e-3
_WARM_S = 0.05


class Peers:
    """The process that measures with the usual methods."""

    def __init__(self, core: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    @property
    def pid(self) -> int:
        return self._process.pid

    def measure(self, model: Path) -> dict[str, float]:
        """Latency by method, ms."""
        return self._ask(str(model))

    def run_50(self, model: Path) -> None:
        self._ask(f"50 {model}")

    def _ask(self, line: str) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        latencies_ms: dict[str, float] = json.loads(self._process.stdout.readline())
        return latencies_ms

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def main(core: int) -> None:
    os.sched_setaffinity(0, {core})
    import torch
    from torch.utils import benchmark

    from lpnet_agent.runtimes.base import RuntimeConfig
    from lpnet_agent.runtimes.onnxruntime import OnnxRuntime

    torch.set_num_threads(1)
    runtime = OnnxRuntime(RuntimeConfig(1))
    print("up", flush=True)
    for line in sys.stdin:
        only_50, path = line.startswith("50 "), line.removeprefix("50 ").strip()
        run = runtime.load(Path(path).read_bytes()).run
        if only_50:
            for _ in range(50):
                run(1)
            print("{}", flush=True)
            continue
        naive = _naive_ms(run)
        timer = benchmark.Timer("run(1)", globals={"run": run})
        adaptive = timer.adaptive_autorange(min_run_time=0.1, max_run_time=1.5)
        values = (
            float(np.median(naive)),
            float(np.mean(naive)),
            1e3 * adaptive.median,
            _fixed_ms(run),
        )
        latencies_ms = dict(zip(METHODS, values, strict=True))
        print(json.dumps(latencies_ms), flush=True)


def _naive_ms(run: Run) -> list[float]:
    """Warm up, then time single runs for as long as the agent does."""
    end = time.perf_counter() + _WARM_S
    while time.perf_counter() < end:
        last = _run_s(run)
    times: list[float] = []
    end = time.perf_counter() + (LONG_S if last > LONG_RUN_S else SHORT_S)
    while time.perf_counter() < end or len(times) < 10:
        times.append(1e3 * _run_s(run))
    return times


def _fixed_ms(run: Run) -> float:
    """The default of LiteRT's benchmark_model: half a second of warm-up, then the mean of at least
    50 runs and one second."""
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        _run_s(run)
    times: list[float] = []
    end = time.perf_counter() + 1.0
    while len(times) < 50 or time.perf_counter() < end:
        times.append(1e3 * _run_s(run))
    return float(np.mean(times))


def _run_s(run: Run) -> float:
    start = time.perf_counter()
    run(1)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]))
