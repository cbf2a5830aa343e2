"""How well an LPNet knows a GPU, beside a line through FLOPs, at batch 1 and at batch 64.

    python -m benchmarks.gpu [--model resnet50] [--batch 1 64] [--blocks 300] [--networks 60]
        [--provider cuda] [--precision fp32] [--out lpnet-gpu] [--option l2=cold ...]

Measures blocks and networks with `lpnet-agent measure` and PyTorch, once for each batch; learns
from two thirds of the undisturbed blocks and networks, and judges on the rest. Samples files stay
in --out, `MODEL-PROVIDER-PRECISION-bBATCH.jsonl`, and are not measured again: they are small
enough to keep as a fixture. Without a GPU it can be tried with
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

_LEARNT = 2 / 3


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
        print(_row(batch, _measured(options, batch), options), flush=True)
    return 0


def _measured(options: argparse.Namespace, batch: int) -> Path:
    words = [options.model, options.provider, options.precision, *options.option, f"b{batch}"]
    out: Path = options.out / f"{'-'.join(words).replace('=', '')}.jsonl"
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
        sys.exit(f"batch {batch} was not measured")
    summary = json.loads(done.stdout)
    print(json.dumps(summary["target"]), file=sys.stderr)
    for failure in summary["failures"]:
        print(f"failed: {failure}", file=sys.stderr)
    part.rename(out)
    return out


def _row(batch: int, file: Path, options: argparse.Namespace) -> str:
    samples = [Sample.model_validate_json(line) for line in file.read_text().splitlines()]
    found = [sample for sample in samples if sample.sentinel is None]
    ratios = [
        sample.conditions.event_ms / sample.latency_ms
        for sample in found
        if sample.conditions is not None and sample.conditions.event_ms is not None
    ]
    space = zoo.space(options.model)
    known = list(records(file, space))
    blocks, networks = (
        int(_LEARNT * sum(record.kind == kind for record in known))
        for kind in ("block", "network")
    )
    _, report = train(
        split(known, blocks, networks, seed=0),
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
        str(len(found)),
        str(sum(sample.disturbed for sample in found)),
        f"{statistics.median(ratios):.2f}" if ratios else "-",
        *("-" if error is None else f"{error.mape_pct:.1f}%" for error in errors),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
