"""Accuracy of an LPNet on a GPU, compared with a line through FLOPs, at batch 1 and batch 64.

    python -m benchmarks.gpu [--model resnet50] [--batch 1 64] [--blocks 300] [--networks 60]
        [--provider cuda] [--precision fp32] [--out lpnet-gpu] [--option l2=cold ...]

Measures blocks and networks with `lpnet-agent measure` and PyTorch, for each batch. Trains on two
thirds of the undisturbed blocks and networks, and tests on the others. Samples files stay in
--out, as `MODEL-PROVIDER-PRECISION-bBATCH.jsonl`, and are not measured again. They are small
enough to keep as a fixture. Without a GPU, try it with
`--provider cpu --model resnet20 --batch 1 --blocks 24 --networks 18`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.accuracy.splits import records, split
from lpnet import zoo
from lpnet.schemas.sample import Sample
from lpnet_service.training import train

_TRAIN_SHARE = 2 / 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="resnet50", choices=zoo.NAMES)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path("lpnet-gpu"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    print(
        "| batch | samples | disturbed | event/wall | LPNet networks | blocks | FLOPs networks |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for batch in options.batch:
        print(_row(batch, _measure(options, batch), options), flush=True)
    return 0


def _measure(options: argparse.Namespace, batch: int) -> Path:
    parts = [options.model, options.provider, options.precision, *options.option, f"b{batch}"]
    out: Path = options.out / f"{'-'.join(parts).replace('=', '')}.jsonl"
    if out.exists():
        return out
    space = options.out / f"{options.model}.onnx"
    zoo.space(options.model).save(space)
    part = out.with_suffix(".part")
    command = [sys.executable, "-m", "lpnet_agent", "measure", "--space", str(space), "--json"]
    command += ["--runtime", "torch", "--provider", options.provider, "--batch", str(batch)]
    command += ["--precision", options.precision, "--out", str(part), "--force"]
    command += ["--blocks", str(options.blocks), "--networks", str(options.networks)]
    command += ["--state-dir", str(options.out / "state")]
    for option in options.option:
        command += ["--option", option]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"batch {batch} could not be measured")
    summary = json.loads(done.stdout)
    print(json.dumps(summary["target"]), file=sys.stderr)
    for failure in summary["failures"]:
        print(f"failed: {failure}", file=sys.stderr)
    part.rename(out)
    return out


def _row(batch: int, file: Path, options: argparse.Namespace) -> str:
    samples = [Sample.model_validate_json(line) for line in file.read_text().splitlines()]
    workloads = [sample for sample in samples if sample.sentinel is None]
    ratios = [
        sample.conditions.event_ms / sample.latency_ms
        for sample in workloads
        if sample.conditions is not None and sample.conditions.event_ms is not None
    ]
    space = zoo.space(options.model)
    undisturbed = list(records(file, space))
    blocks, networks = (
        int(_TRAIN_SHARE * sum(record.kind == kind for record in undisturbed))
        for kind in ("block", "network")
    )
    _, report = train(
        split(undisturbed, blocks, networks, seed=0),
        target=file.stem,
        epoch=1,
        seed=0,
        noise_floor_pct=None,
        progress=lambda share, stage: None,
    )
    held, flops = report.held_out, report.baselines.flops_linear
    errors = [held.network, held.block, None if flops is None else flops.network]
    cells = [
        str(batch),
        str(len(workloads)),
        str(sum(sample.disturbed for sample in workloads)),
        f"{statistics.median(ratios):.2f}" if ratios else "-",
        *("-" if error is None else f"{error.mape_pct:.1f}%" for error in errors),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
