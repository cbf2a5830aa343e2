"""Accuracy and coverage of intervals over many splits of one file of samples.

    python -m benchmarks.accuracy.splits samples.jsonl --model mobilenet_v2 [--splits 10]

Each split draws the networks and blocks to train on, and tests on all others. The samples are
those of `benchmarks.network_accuracy --out`, of `lpnet export`, or of `lpnet-agent measure`.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lpnet import zoo
from lpnet.schemas.report import Report
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.training import Record, train

EXPECTED_COVERAGE = (85.0, 95.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--model", default="mobilenet_v2", choices=zoo.NAMES)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=300, help="blocks to train on")
    parser.add_argument("--networks", type=int, default=30, help="networks to train on")
    options = parser.parse_args()
    samples = list(records(options.samples, zoo.space(options.model)))
    reports = []
    for seed in range(options.splits):
        drawn = split(samples, options.blocks, options.networks, seed)
        _, report = train(
            drawn,
            target="benchmark",
            epoch=1,
            seed=seed,
            noise_floor_pct=None,
            progress=lambda share, stage: None,
        )
        reports.append(report)
        print(f"split {seed}: {_line(report)}", flush=True)
    return _summary(reports)


def records(path: Path, space: Space) -> Iterator[Record]:
    """The undisturbed samples of a file, none of them held out."""
    parts = {block.name: space.block(block.name) for block in space.blocks}
    for line in path.read_text().splitlines():
        sample = Sample.model_validate_json(line)
        workload = sample.workload
        if sample.disturbed or sample.sentinel or not isinstance(workload, SpaceWorkload):
            continue
        owner = space if workload.block is None else parts[workload.block]
        if workload.space != space.hash:
            raise SystemExit(f"a sample is of space {workload.space}, not of {space.name}")
        yield Record(
            key=workload_key(workload),
            kind=sample.kind,
            table=OpTable.from_ops(owner.ops(workload.widths)),
            batch=workload.batch,
            latency_ms=sample.latency_ms,
            draw=sample.draw,
            space=workload.space,
            widths=workload.widths,
            held_out=False,
        )


def split(samples: list[Record], blocks: int, networks: int, seed: int) -> list[Record]:
    """The records with `held_out` set: workloads are drawn until so many records are not."""
    rng = np.random.default_rng(seed)
    keys = rng.permutation(sorted({record.key for record in samples}))
    position = {key: index for index, key in enumerate(keys)}
    remaining = {"block": blocks, "network": networks}
    drawn: set[str] = set()
    for record in sorted(samples, key=lambda record: position[record.key]):
        if remaining[record.kind] > 0 or record.key in drawn:
            drawn.add(record.key)
            remaining[record.kind] -= 1
    return [_held_out(record, record.key not in drawn) for record in samples]


def _held_out(record: Record, held_out: bool) -> Record:
    return Record(**{**vars(record), "held_out": held_out})


def _line(report: Report) -> str:
    network, flops = report.held_out.network, report.baselines.flops_linear.network
    if network is None or flops is None:
        raise SystemExit("no network is left to test on: measure more, or train on fewer")
    covered = report.interval.covered_pct
    block = report.held_out.block
    return (
        f"networks {network.mape_pct:.2f}% (FLOPs-linear {flops.mape_pct:.1f}%), "
        f"blocks {'-' if block is None else f'{block.mape_pct:.2f}%'}, "
        f"{'-' if covered is None else f'{covered:.1f}%'} of networks in the 90% interval"
    )


def _summary(reports: list[Report]) -> int:
    errors = [r.held_out.network.mape_pct for r in reports if r.held_out.network is not None]
    covered = [r.interval.covered_pct for r in reports if r.interval.covered_pct is not None]
    mean = statistics.mean(covered)
    low, high = EXPECTED_COVERAGE
    print(
        f"{len(reports)} splits: networks {statistics.mean(errors):.2f}%, "
        f"90% intervals hold {mean:.1f}% (expected: {low:.0f} to {high:.0f}), "
        f"from {min(covered):.1f} to {max(covered):.1f}"
    )
    return 0 if low <= mean <= high else 1


if __name__ == "__main__":
    raise SystemExit(main())
