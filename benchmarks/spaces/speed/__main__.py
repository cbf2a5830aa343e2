"""Seconds from a torch module to a space, and of using the space: ResNet-50 and two networks of
about 1,000 ops. Torch runs on one thread.

    python -m benchmarks.spaces.speed [--runs 3]

Peers in the same run are `torch.onnx.export` alone, which `Space.from_model` needs too, and the
dependency graph of Torch-Pruning. Each time is of a new process, in turns. The medians go to
benchmarks/spaces/speed.json and to docs/results/spaces.md. The goals are 15 s for ResNet-50, of
which 2 s are lpnet's own, and 60 s for a network of 1,000 ops.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import cpuinfo

from benchmarks.spaces import docs
from benchmarks.spaces.speed.networks import NETWORKS
from benchmarks.spaces.speed.results import Results, Seconds, misses, save, table

_PEERS = ("export", "torch-pruning")


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    results = Results(
        datetime.now(UTC).date().isoformat(),
        cpuinfo.get_cpu_info().get("brand_raw", "an unknown processor"),
        [Seconds(network.name) for network in NETWORKS],
    )
    for _ in range(options.runs):
        for seconds in results.networks:
            for kind in ("space", *_PEERS):
                _measure(seconds, kind)
    print(table(results))
    save(results)
    docs.write()
    messages = misses(results)
    print("\n".join(messages), file=sys.stderr)
    return 1 if messages else 0


def _measure(seconds: Seconds, kind: str) -> None:
    """Add what a new process measures. A peer may fail, which is noted once."""
    command = [sys.executable, "-m", "benchmarks.spaces.speed.timing", seconds.network, kind]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if not done.returncode:
        seconds.add(json.loads(done.stdout))
        return
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if kind not in _PEERS:
        raise SystemExit(f"{seconds.network}: {last}")
    error = f"{kind}: {last:.200}"
    if error not in seconds.errors:
        seconds.errors.append(error)


if __name__ == "__main__":
    sys.exit(main())
