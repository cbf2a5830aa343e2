"""Measurements on a disturbed machine: which are refused, and which errors remain.

    python -m benchmarks.measuring [--rounds 3] [--kinds cpu tree ...] [--out results.json]

Blocks and networks of ResNet-50 and MobileNetV2 are measured on the last core, undisturbed and
beside each disturber: by the agent as one job, and by four usual methods. A quiet phase precedes
every pair of disturbed ones. The true latency of a workload is its naive median in the nearest
quiet phases, except its own. Each phase starts new processes.

The agent's sentinels are read before and after each job. If both readings show that the machine
has drifted by more than 3% from the level of this run, all samples in between are refused, as by
the agent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import psutil

from benchmarks.measuring import tables
from benchmarks.measuring.disturbers import DESCRIPTIONS, NOT_TUNED_ON, TUNED_ON, running
from benchmarks.measuring.peers import Peers
from lpnet import zoo
from lpnet.schemas.sample import Sentinel
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet.stop import Stop
from lpnet_agent.measure.job import Measurer, measure_all
from lpnet_agent.measure.messages import Item, Setup
from lpnet_agent.sentinels.readings import read_sentinel, undisturbed_ms

# Small and large blocks, limited by arithmetic and by memory; None is the whole network.
WORKLOADS = {
    "resnet50": ("layer1.1", "layer3.4", "layer4.2", None),
    "mobilenet_v2": ("features.2.conv", "features.8.conv", "features.18.0", None),
}


class Workloads:
    """The workloads as items for the agent and as model files for the other methods."""

    def __init__(self, folder: Path) -> None:
        self.items: list[Item] = []
        self.models: dict[str, Path] = {}
        self.files: dict[str, Path] = {}
        for name, blocks in WORKLOADS.items():
            space = zoo.space(name)
            self.files[space.hash] = folder / f"{name}.onnx"
            space.save(self.files[space.hash])
            for block in blocks:
                self._add(folder, name, space, block)

    def _add(self, folder: Path, name: str, space: Space, block: str | None) -> None:
        part = space if block is None else space.block(block)
        label = f"{name}-{block or 'network'}".replace(".", "-")  # an id may hold no dot
        model = folder / f"{label}.concrete.onnx"
        model.write_bytes(part.concrete(part.named(part.dense)).SerializeToString())
        workload = SpaceWorkload(space=space.hash, block=block, widths=part.named(part.dense))
        kind = "network" if block is None else "block"
        self.items.append(Item(id=label, kind=kind, workload=workload))
        self.models[label] = model


def phase(kind: str, seed: int, cores: tuple[int, int], workloads: Workloads) -> dict[str, Any]:
    """Measure all workloads with all methods beside one disturber."""
    other_core, core = cores
    stop = Stop()
    setup = Setup(runtime="onnxruntime", threads=1, cores=(core,))
    results: dict[str, Any] = {"kind": kind, "agent": {}, "usual": {}, "checks": []}
    with Measurer(setup, stop) as measurer:
        (child,) = psutil.Process().children()
        with running(kind, core, other_core, child.pid, seed):
            results["checks"].append(_read_sentinels(measurer))
            start = time.monotonic()
            for result in measure_all(
                measurer,
                workloads.items,
                lambda item: workloads.files[item.workload.space],
                lambda: True,
                np.random.default_rng(seed),
            ):
                assert result.sample is not None, result.reason
                results["agent"][result.item.id] = result.sample.model_dump(mode="json")
            results["seconds"] = time.monotonic() - start
            results["checks"].append(_read_sentinels(measurer))
    stop.close()
    peers = Peers(core)
    try:
        with running(kind, core, other_core, peers.pid, seed):
            for label, model in workloads.models.items():
                results["usual"][label] = peers.measure(model)
    finally:
        peers.close()
    return results


def _read_sentinels(measurer: Measurer) -> dict[str, float | None]:
    """Latencies of the agent's sentinels, ms; None if a reading was disturbed."""
    return {
        sentinel: undisturbed_ms(read_sentinel(measurer, sentinel))
        for sentinel in get_args(Sentinel)
    }


def _with_quiet(kinds: Sequence[str]) -> Iterator[str]:
    """The kinds, with a quiet phase before every second one."""
    for index, kind in enumerate(kinds):
        if index % 2 == 0:
            yield "quiet"
        yield kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--kinds", nargs="+", default=[*TUNED_ON, *NOT_TUNED_ON], choices=DESCRIPTIONS
    )
    parser.add_argument("--out", type=Path, help="keep the raw results as JSON")
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
    phases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        workloads = Workloads(Path(folder))
        for number in range(options.rounds):
            for state in [*_with_quiet(options.kinds), "quiet"]:
                print(f"round {number + 1}: {state}", file=sys.stderr, flush=True)
                phases.append(phase(state, 100 * number, cores, workloads))
    if options.out:
        options.out.write_text(json.dumps(phases))
    tables.print_tables(phases)
    return 0


if __name__ == "__main__":
    sys.exit(main())
