"""Cost of a measurement: a real service and agent on loopback measure blocks of ResNet-50.

    python -m benchmarks.measuring.cost [--model resnet50] [--blocks 300]

The share is the wall time of timed repeats, including sentinels and visits without a result, in
the agent's time from its registration to the last sample. The remainder is warm-up, loading,
leases and pauses between visits.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from lpnet import zoo
from lpnet_demo.processes import LocalLoop

MIN_SHARE = 0.7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50", choices=zoo.NAMES)
    parser.add_argument("--blocks", type=int, default=300)
    options = parser.parse_args()
    space = zoo.space(options.model)
    with tempfile.TemporaryDirectory() as folder:
        with LocalLoop(Path(folder)) as loop:
            target = loop.wait_for_target()
            start = time.monotonic()
            loop.client.upload(space)
            done = loop.client.campaign(
                target, space, blocks=options.blocks, networks=0, pruned=0, repeats=0
            )
            elapsed = time.monotonic() - start
            samples = list(loop.client.samples(target=target, campaign=done.id))
        timed = _timed_s((Path(folder) / "agent.log").read_text())
    visits = sum(len(sample.conditions.visits_ms) for sample in samples if sample.conditions)
    share = timed / elapsed
    print(
        f"{options.model}: {len(samples)} blocks in {elapsed:.1f} s, "
        f"{elapsed / len(samples):.2f} s a sample, {visits / len(samples):.2f} visits each, "
        f"{sum(sample.disturbed for sample in samples)} disturbed"
    )
    print(f"timed repeats fill {share:.0%} of the wall time (required: at least {MIN_SHARE:.0%})")
    return 0 if share >= MIN_SHARE else 1


def _timed_s(log: str) -> float:
    """The time that the agent logs when it ends."""
    match = re.search(r"timed_s=([\d.]+)", log)
    if match is None:
        raise SystemExit(f"the agent did not log timed_s:\n{log}")
    return float(match[1])


if __name__ == "__main__":
    sys.exit(main())
