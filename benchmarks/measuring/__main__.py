"""Measurements on a disturbed machine: which are refused, and which errors remain.

    python -m benchmarks.measuring [--rounds 1] [--kinds quiet cpu tree ...] [--write]
        [--recording FILE]

Sixty blocks and networks are measured on the last core by the agent, as jobs of one campaign,
undisturbed and beside each disturber; some of them also by four usual methods. Between two
campaigns a recorder visits all of them for a short time. The truth of a workload is the level that
its fastest windows converge to over the whole run (see benchmarks/measuring/truth.py). --write
keeps the results in benchmarks/measuring/campaigns.json, and writes the tables into
docs/results/measuring.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

from benchmarks.measuring import docs, results, tables
from benchmarks.measuring.disturbers import DESCRIPTIONS, NOT_TUNED_ON, TUNED_ON, running
from benchmarks.measuring.peers import Peers
from benchmarks.measuring.recorder import RecorderProcess
from benchmarks.measuring.results import Campaign, Results
from benchmarks.measuring.truth import truths
from benchmarks.measuring.workloads import Workload, Workloads
from lpnet.stop import Stop
from lpnet_agent.device_info.facts import cpu_and_flags
from lpnet_agent.measure.job import Measurer, measure_all
from lpnet_agent.measure.messages import Item, Setup
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels

# As many as a job of a service has.
_JOB = 24
# Every so many workloads are measured by the usual methods too, which take long.
_USUAL_STEP = 6
# Rounds of the recorder before each campaign.
_TRUTH_ROUNDS = 4


class Bench:
    """Campaigns on one core, with the levels of the probes kept from one to the next."""

    def __init__(self, workloads: Workloads, other_core: int, core: int) -> None:
        self._workloads = workloads
        self._cores = other_core, core
        self._levels: ProbeLevels = UNKNOWN

    def campaign(self, kind: str, seed: int) -> Campaign:
        latency_ms: dict[str, float] = {}
        plain_ms: dict[str, float] = {}
        disturbed: dict[str, bool] = {}
        rng = np.random.default_rng(seed)
        stop = Stop()
        other_core, core = self._cores
        with Measurer(Setup(runtime="onnxruntime", threads=1, cores=(core,)), stop) as measurer:
            measurer.levels = self._levels
            (child,) = psutil.Process().children()[-1:]
            with running(kind, core, other_core, child.pid, seed):
                began = time.monotonic()
                for job in _jobs(self._workloads.all):
                    items = [each.item for each in job]
                    for result in measure_all(
                        measurer, items, self._space_file, lambda: True, rng
                    ):
                        sample, name = result.sample, str(result.item.id)
                        assert sample is not None, result.reason
                        assert sample.conditions is not None
                        latency_ms[name] = sample.latency_ms
                        plain_ms[name] = sample.conditions.plain_ms or sample.latency_ms
                        disturbed[name] = sample.disturbed
                wall_s = time.monotonic() - began
            self._levels = measurer.levels
            busy_s, timed_s = measurer.busy_s, measurer.timed_s
        stop.close()
        usual_ms, usual_s = self._usual(kind, seed)
        return Campaign(
            kind, latency_ms, plain_ms, disturbed, usual_ms, wall_s, busy_s, timed_s, usual_s
        )

    def _space_file(self, item: Item) -> Path:
        return self._workloads.spaces[item.workload.space]

    def _usual(self, kind: str, seed: int) -> tuple[dict[str, dict[str, float]], float]:
        other_core, core = self._cores
        peers = Peers(core)
        try:
            with running(kind, core, other_core, peers.pid, seed):
                began = time.monotonic()
                for workload in self._workloads.all:
                    peers.run_50(workload.model)
                seconds = time.monotonic() - began
                some = self._workloads.all[::_USUAL_STEP]
                return {each.name: peers.measure(each.model) for each in some}, seconds
        finally:
            peers.close()


def _jobs(workloads: list[Workload]) -> list[list[Workload]]:
    return [workloads[i : i + _JOB] for i in range(0, len(workloads), _JOB)]


def _run(
    kinds: list[str], rounds: int, cores: tuple[int, int], recording_file: Path | None
) -> Results:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        workloads = Workloads(Path(folder))
        recorder = RecorderProcess(cores[1], Path(folder, "truth.npz"))
        bench = Bench(workloads, *cores)
        campaigns = []
        for number in range(rounds):
            for kind in kinds:
                print(f"round {number + 1}: {kind}", file=sys.stderr, flush=True)
                for _ in range(_TRUTH_ROUNDS):
                    recorder.round()
                campaigns.append(bench.campaign(kind, 100 * number))
        for _ in range(_TRUTH_ROUNDS):
            recorder.round()
        recording = recorder.close()
        if recording_file is not None:
            recording.save(recording_file)
    return Results(
        date=datetime.now(UTC).date().isoformat(),
        cpu=cpu_and_flags()[0] or "unknown",
        minutes=round((time.monotonic() - began) / 60, 1),
        truths={recording.names[i]: truth for i, truth in truths(recording).items()},
        campaigns=campaigns,
    )


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--kinds",
        nargs="+",
        default=["quiet", *TUNED_ON, *NOT_TUNED_ON, "quiet"],
        choices=DESCRIPTIONS,
    )
    parser.add_argument("--recording", type=Path, help="keep the recorder's visits (.npz)")
    parser.add_argument("--write", action="store_true", help="keep results, write the docs")
    options = parser.parse_args()
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        print(
            "at least two cores are needed: one to measure on, one for everything else",
            file=sys.stderr,
        )
        return 2
    cores = (allowed[0], allowed[-1])
    os.sched_setaffinity(0, {cores[0]})
    outcome = _run(options.kinds, options.rounds, cores, options.recording)
    for render in tables.PARTS.values():
        print(f"{render(outcome)}\n")
    if options.write:
        results.write(outcome)
        docs.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
