"""Recording the workloads over a long time, in a process on one core.

    python -m benchmarks.measuring.recorder FILE [--minutes 30] [--core N] [--seed 0] [--on-demand]

Visits all workloads in turn, each for a tenth of a second or less, and saves repeats and probes to
FILE (.npz). With --on-demand it makes a round for each line of its input, until that ends.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measuring.recording import RecordedVisit, Recording
from benchmarks.measuring.workloads import Workload, Workloads
from lpnet_agent.measure.clock import SystemClock
from lpnet_agent.measure.conditions import Probe, between
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.probes import Prober
from lpnet_agent.measure.timing import time_workload
from lpnet_agent.runtimes.base import InferenceSession, RuntimeConfig
from lpnet_agent.runtimes.onnxruntime import OnnxRuntime

BLOCK_S, NETWORK_S = 0.06, 0.2


class Recorder:
    """Visits workloads in rounds, in this process and on the core that it runs on."""

    def __init__(self, workloads: Sequence[Workload], seed: int = 0) -> None:
        self._workloads = workloads
        self._rng = np.random.default_rng(seed)
        self._clock = SystemClock()
        self._prober = Prober(self._clock)
        runtime = OnnxRuntime(RuntimeConfig(1))
        self._sessions = [runtime.load(each.model.read_bytes()) for each in workloads]
        self._inner: list[int | None] = [None] * len(workloads)
        self._conditions = Probe(os.sched_getaffinity(0))
        self._visits: list[RecordedVisit] = []

    def round(self) -> None:
        """Visit each workload once, in random order."""
        for index in self._rng.permutation(len(self._workloads)):
            self._visit(int(index))

    def recording(self) -> Recording:
        return Recording(tuple(each.name for each in self._workloads), tuple(self._visits))

    def _visit(self, index: int) -> None:
        block = self._workloads[index].item.kind == "block"
        plan = TimingPlan.from_budget(BLOCK_S if block else NETWORK_S)
        session: InferenceSession = self._sessions[index]
        before = self._conditions.read()
        gc.collect()
        gc.disable()
        visit = time_workload(
            session.run, plan, self._clock, self._inner[index], probe=self._prober.read
        )
        gc.enable()
        self._inner[index] = visit.repeats.inner
        other_cores = between(before, self._conditions.read()).elsewhere_share
        self._visits.append(RecordedVisit(index, visit.repeats, other_cores))


class RecorderProcess:
    """A recorder that makes rounds on demand and saves them when it is closed."""

    def __init__(self, core: int, file: Path) -> None:
        self._file = file
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(file), "--core", str(core), "--on-demand"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._wait()

    def round(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        self._wait()

    def close(self) -> Recording:
        self._process.communicate()
        return Recording.load(self._file)

    def _wait(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the recorder ended; its output says why")


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on-demand", action="store_true", help="a round per line of input")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Workloads(Path(folder)).all, options.seed)
        gc.freeze()
        if options.on_demand:
            _serve(recorder)
        else:
            end = time.monotonic() + 60 * options.minutes
            while time.monotonic() < end:
                recorder.round()
        recorder.recording().save(options.file)


def _serve(recorder: Recorder) -> None:
    print("up", flush=True)
    for _ in sys.stdin:
        recorder.round()
        print("done", flush=True)


if __name__ == "__main__":
    main()
