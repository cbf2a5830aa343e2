"""Recording the workloads over a long time, in a process on one core.

    python -m benchmarks.measuring.recorder FILE --minutes 30 [--core N] [--seed 0]

Visits all workloads in turn, each for a tenth of a second or less, and saves repeats and probes to
FILE (.npz).
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring.recording import RecordedVisit, Recording
from benchmarks.measuring.workloads import Workload, Workloads
from lpnet_agent.measure.clock import SystemClock
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.probes import Prober
from lpnet_agent.measure.timing import time_workload
from lpnet_agent.runtimes.base import InferenceSession, RuntimeConfig
from lpnet_agent.runtimes.onnxruntime import OnnxRuntime

BLOCK_S, NETWORK_S = 0.06, 0.2


class Recorder:
    """Visits workloads in rounds, in this process and on the core that it runs on."""

    def __init__(self, workloads: list[Workload], seed: int = 0) -> None:
        self._workloads = workloads
        self._rng = np.random.default_rng(seed)
        self._clock = SystemClock()
        self._prober = Prober(self._clock)
        runtime = OnnxRuntime(RuntimeConfig(1))
        self._sessions = [runtime.load(each.model.read_bytes()) for each in workloads]
        self._inner: list[int | None] = [None] * len(workloads)
        self.visits: list[RecordedVisit] = []

    def round(self) -> None:
        """Visit each workload once, in random order."""
        for index in self._rng.permutation(len(self._workloads)):
            self._visit(int(index))

    def recording(self) -> Recording:
        return Recording(tuple(each.name for each in self._workloads), tuple(self.visits))

    def _visit(self, index: int) -> None:
        block = self._workloads[index].item.kind == "block"
        plan = TimingPlan.from_budget(BLOCK_S if block else NETWORK_S)
        session: InferenceSession = self._sessions[index]
        gc.collect()
        gc.disable()
        visit = time_workload(
            session.run, plan, self._clock, self._inner[index], probe=self._prober.read
        )
        gc.enable()
        self._inner[index] = visit.repeats.inner
        self.visits.append(RecordedVisit(index, visit.repeats))


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Workloads(Path(folder)).all, options.seed)
        gc.freeze()
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end:
            recorder.round()
        recorder.recording().save(options.file)


if __name__ == "__main__":
    main()
