"""What a measurement costs: a real service and agent on loopback measure blocks of ResNet-50.

    python -m benchmarks.measuring.cost [--model resnet50] [--blocks 150]

The share is wall time of timed runs, warm-up not counted, of the time from the request to the last
sample; leases, loading, pauses between visits and sentinels are the rest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from lpnet import zoo
from lpnet.cli.processes import LocalLoop

ASKED_SHARE = 0.7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50", choices=zoo.NAMES)
    parser.add_argument("--blocks", type=int, default=150)
    options = parser.parse_args()
    space = zoo.space(options.model)
    with tempfile.TemporaryDirectory() as folder, LocalLoop(Path(folder)) as loop:
        target = loop.wait_for_target()
        loop.client.upload(space)
        began = time.monotonic()
        done = loop.client.campaign(
            target, space, blocks=options.blocks, networks=0, pruned=0, repeats=0
        )
        elapsed = time.monotonic() - began
        samples = list(loop.client.samples(target=target, campaign=done.id))
    timed = sum(one.conditions.wall_s or 0.0 for one in samples if one.conditions)
    visits = sum(len(one.conditions.visits_ms) for one in samples if one.conditions)
    share = timed / elapsed
    print(
        f"{options.model}: {len(samples)} blocks in {elapsed:.1f} s, "
        f"{elapsed / len(samples):.2f} s a sample, {visits / len(samples):.2f} visits each, "
        f"{sum(one.disturbed for one in samples)} disturbed"
    )
    print(f"timed runs fill {share:.0%} of the wall time (asked: at least {ASKED_SHARE:.0%})")
    return 0 if share >= ASKED_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
