"""Sustained against paced targets: the same networks back to back, and with pauses in between.

    python -m benchmarks.measuring.duty [--fps 30 10] [--repeats 3]

Each duty is a target with its own process. They are measured in turn, and medians compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from lpnet import zoo
from lpnet.schemas.workload import SpaceWorkload
from lpnet.stop import Stop
from lpnet_agent.measure import cores
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Item, Setup

NETWORKS = ("resnet20", "mobilenet_v2", "resnet50")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, nargs="+", default=[30.0, 10.0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    pinned = cores.choose(1)
    cores.avoid(pinned)
    duties: list[float | None] = [None, *options.fps]
    latencies_ms: dict[tuple[str, float | None], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeats):
            for fps in duties:
                setup = Setup(runtime="onnxruntime", threads=1, cores=pinned, fps=fps)
                for name, ms in _measure(setup, Path(folder)).items():
                    latencies_ms.setdefault((name, fps), []).append(ms)
    heads = ["sustained", *(f"paced({fps:g})" for fps in options.fps)]
    print(f"{'':14s}" + "".join(f"{head:>22s}" for head in heads))
    for name in NETWORKS:
        medians = [statistics.median(latencies_ms[name, fps]) for fps in duties]
        cells = [f"{ms:.3f} ms ({ms / medians[0]:.2f})" for ms in medians]
        print(f"{name:14s}" + "".join(f"{cell:>22s}" for cell in cells))
    return 0


def _measure(setup: Setup, folder: Path) -> dict[str, float]:
    """Latency of each dense network, ms."""
    stop = Stop()
    latencies_ms = {}
    with Measurer(setup, stop) as measurer:
        for name in NETWORKS:
            space = zoo.space(name)
            file = folder / f"{name}.onnx"
            space.save(file)
            workload = SpaceWorkload(space=space.hash, widths=space.named(space.dense))
            item = Item(kind="network", workload=workload)
            latencies_ms[name] = measurer.measure(item, file).latency_ms
    stop.close()
    return latencies_ms


if __name__ == "__main__":
    sys.exit(main())
