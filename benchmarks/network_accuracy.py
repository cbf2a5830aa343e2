"""Whole-network accuracy of an LPNet on this machine, beside its baselines.

    python -m benchmarks.network_accuracy [--model resnet50] [--blocks 300] [--networks 60]

Profiles the model with one CPU thread, trains, prints the report, and writes the samples to
--out, where `python -m benchmarks.accuracy.splits` can split them many times.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from lpnet import zoo
from lpnet.cli.show_report import print_report
from lpnet.progress import terminal_progress
from lpnet_demo.processes import LocalLoop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50", choices=zoo.NAMES)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--pruned", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the samples as JSON lines")
    options = parser.parse_args()
    space = zoo.space(options.model)
    with tempfile.TemporaryDirectory() as folder, LocalLoop(Path(folder)) as loop:
        target = loop.wait_for_target()
        began = time.monotonic()
        with terminal_progress() as progress:
            loop.client.campaign(
                target,
                space,
                blocks=options.blocks,
                networks=options.networks,
                pruned=options.pruned,
                seed=options.seed,
                progress=progress,
            )
            measured = time.monotonic()
            report = loop.client.train(target, seed=options.seed, progress=progress)
        trained = time.monotonic()
        if options.out is not None:
            options.out.write_bytes(b"".join(loop.client.export(target)))
    print(
        f"{options.model}: measuring {measured - began:.0f} s, training {trained - measured:.0f} s"
    )
    print_report(report)


if __name__ == "__main__":
    main()
