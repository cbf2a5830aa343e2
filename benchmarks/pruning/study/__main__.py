"""Pruned networks of one measured latency, by seven methods: which is most accurate?

    python -m benchmarks.pruning.study --pictures cifar10-jpeg.tar.xz [--models resnet20 ...]
        [--methods wgates ...] [--share 0.5] [--batch 1] [--seed 0] [--out lpnet-study]
    python -m benchmarks.pruning.study --table [--short]

Resumable: each cell is a file under benchmarks/pruning/study/results, and one that is there is
not run again. Start network, LPNet and pictures are kept in --out. Where all methods are asked
for, or --compare alone, the networks of a table are measured once more at the end, in turn, in one
session. --table prints what there is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.pruning.study import table
from benchmarks.pruning.study.bench import Bench, cifar, fresh, trained
from benchmarks.pruning.study.device import Device, opened, predictor, profiled, say
from benchmarks.pruning.study.methods import method_of
from benchmarks.pruning.study.setting import METHODS, SCHEDULES, Cell
from benchmarks.pruning.study.stand_ins import WidthMLP
from lpnet import zoo
from lpnet.errors import LpnetError
from lpnet.pruning.job.training import accuracy
from lpnet.space.space import Space

_COMPARED = 5


def main() -> int:
    options = _options()
    if options.table:
        print(table.markdown(short=options.short))
        return 0
    if options.pictures is None:
        print("--pictures names the archive of pictures", file=sys.stderr)
        return 2
    for model in options.models:
        cells = [
            Cell(model, method, options.share, options.batch, 1, options.seed)
            for method in options.methods
        ]
        _run(cells, options)
    print(table.markdown())
    return 0


def _run(cells: list[Cell], options: argparse.Namespace) -> None:
    """All cells of one network, and the comparison of those there are."""
    first = cells[0]
    space = zoo.space(first.model).at(batch=first.batch)
    folder = options.out / f"{first.model}-b{first.batch}-t{first.threads}-seed{first.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    first.folder.mkdir(parents=True, exist_ok=True)
    images = cifar(options.pictures, options.out)
    with opened(folder / "loop", space) as device:
        profile = profiled(device, folder, options.blocks, options.networks)
        dense_ms = _dense(device, folder)
        for cell in () if options.compare else cells:
            if cell.file.exists():
                _require_same(cell)
                continue
            say(f"{cell.model}, {cell.method}")
            counted = Device(device.client, device.target, space)
            start = fresh(cell)
            budget = cell.share * dense_ms
            bench = Bench(cell, space, images, counted, budget, start, folder, say)
            trained(bench, folder / "start.pt")
            try:
                _write(cell.file, _run_cell(bench, profile, dense_ms))
            except LpnetError as error:  # its row stays empty, the others go on
                say(f"{cell.model}, {cell.method} failed: {error}")
        if options.compare or len(cells) == len(METHODS):
            _compare(first, device, space)


def _run_cell(bench: Bench, profile: dict[str, Any], dense_ms: float) -> dict[str, Any]:
    """Run a cell: find the small network, tune it, and return its figures and costs."""
    cell, space = bench.cell, bench.space

    def mlp() -> WidthMLP:
        return WidthMLP(space, profile["mlp"]["networks"], profile["target"])

    lpnet = predictor(bench.device, bench.folder)
    start = torch.load(bench.folder / "start.pt", weights_only=True)
    pruned = method_of(cell.method, lpnet, mlp)(bench)
    untuned = accuracy(pruned.small, bench.images)
    bench.train("tune", pruned.small)
    top1 = accuracy(pruned.small, bench.images)
    bench.say(f"  {100 * top1:.2f}% of test images right")
    learned = {"wgates": profile, "magnitude": profile, "wgates-mlp": profile["mlp"]}
    once = learned.get(cell.method, {"seconds": 0.0, "samples": 0})
    torch.save(pruned.small.state_dict(), bench.folder / f"{cell.method}.pt")
    return {
        "cell": cell.as_dict(),
        "target": profile["target"],
        "hardware": _hardware(),
        "dense_ms": dense_ms,
        "budget_ms": bench.budget_ms,
        "predicted_ms": pruned.predicted_ms,
        "lpnet_predicted_ms": float(lpnet(pruned.widths)),
        "widths": pruned.widths,
        "macs": space.macs(pruned.widths),
        "params": space.params(pruned.widths),
        "dense_macs": space.macs(space.dense),
        "dense_params": space.params(space.dense),
        "top1_start": start["accuracy"],
        "top1_untuned": untuned,
        "top1": top1,
        "train_seconds": bench.seconds,
        "profile": {"seconds": once["seconds"], "samples": once["samples"]},
        "device": {"seconds": bench.device.seconds, "samples": bench.device.samples},
        "tries": bench.tries,
    }


def _dense(device: Device, folder: Path) -> float:
    """Latency of the whole network: the budget is a share of it."""
    file = folder / "dense.json"
    if not file.exists():
        named = device.space.named(device.space.dense)
        latencies = device.compare({"dense": named}, _COMPARED)["dense"]
        _write(file, {"ms": statistics.median(latencies), "all": latencies})
    dense: float = json.loads(file.read_text())["ms"]
    return dense


def _compare(first: Cell, device: Device, space: Space) -> None:
    """Measure all pruned networks in turn, if one of them is new."""
    cells = [Cell(**{**vars(first), "method": name}) for name in METHODS]
    results = {
        cell.method: json.loads(cell.file.read_text()) for cell in cells if cell.file.exists()
    }
    file = first.folder / "compared.json"
    compared = json.loads(file.read_text())["networks"] if file.exists() else {}
    networks = {"dense": space.named(space.dense)}
    networks |= {method: cell["widths"] for method, cell in results.items()}
    if {name: row["widths"] for name, row in compared.items()} == networks:
        return
    say(f"measuring {len(results)} networks of {first.model} in turn")
    rounds = {
        name: {"ms": statistics.median(ms), "all": ms, "widths": networks[name]}
        for name, ms in device.compare(networks, _COMPARED).items()
    }
    _write(file, {"networks": rounds})


def _require_same(cell: Cell) -> None:
    """A result of another schedule does not belong in this table."""
    saved = json.loads(cell.file.read_text())["cell"]
    if saved != cell.as_dict():
        raise LpnetError(f"{cell.file} is of {saved}, not of {cell.as_dict()}")


def _hardware() -> dict[str, Any]:
    with open("/proc/cpuinfo") as info:
        name = next((line.split(":")[1].strip() for line in info if "model name" in line), "")
    return {
        "cpu": name,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(file)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--models", nargs="+", default=list(SCHEDULES), choices=list(SCHEDULES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--networks", type=int, default=45)
    parser.add_argument("--out", type=Path, default=Path("lpnet-study"))
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--short", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
