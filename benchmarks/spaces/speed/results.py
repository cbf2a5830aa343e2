"""The seconds of all networks, and their table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.spaces.speed.networks import NETWORKS

FILE = Path(__file__).parents[1] / "speed.json"
# What is measured, and its column.
COLUMNS = {
    "bare_export_s": "`torch.onnx.export` alone",
    "torch_pruning_s": "Torch-Pruning's graph",
    "import_s": "imports of `from_model`",
    "export_s": "`from_model`: export",
    "own_s": "`from_model`: own",
    "prune_s": "`prune`",
    "prune_onnx_s": "`prune_onnx`",
    "to_bytes_s": "`to_bytes`",
    "from_bytes_s": "`from_bytes`",
}


@dataclass
class Seconds:
    """The runs of a network: what each process measured, by name. `errors` are those of peers."""

    network: str
    ops: int = 0
    widths: int = 0
    runs: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, times: Mapping[str, float]) -> None:
        self.ops = int(times.get("ops", self.ops))
        self.widths = int(times.get("widths", self.widths))
        for name in COLUMNS:
            if name in times:
                self.runs.setdefault(name, []).append(round(times[name], 4))

    def median(self, name: str) -> float | None:
        return statistics.median(self.runs[name]) if self.runs.get(name) else None


@dataclass
class Results:
    date: str
    machine: str
    networks: list[Seconds]


_RESULTS = TypeAdapter(Results)


def load() -> Results | None:
    """The results in the file; None before the first run."""
    return _RESULTS.validate_json(FILE.read_text()) if FILE.exists() else None


def save(results: Results) -> None:
    FILE.write_text(json.dumps(asdict(results), indent=1) + "\n")


def table(results: Results | None) -> str:
    """A row per network, with medians in seconds."""
    if results is None:
        return "Not run yet."
    lines = [
        f"{results.date}, {results.machine}. Seconds, medians of "
        f"{_count(results.networks)} new processes each, with torch on one thread.",
        "",
        f"| network | ops | widths | {' | '.join(COLUMNS.values())} |",
        f"|---|{'---:|' * (len(COLUMNS) + 2)}",
    ]
    for seconds in results.networks:
        cells = [seconds.network, seconds.ops, seconds.widths]
        cells += [_cell(seconds.median(name)) for name in COLUMNS]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for seconds in results.networks:
        for error in seconds.errors:
            lines += ["", f"{seconds.network}, {error}"]
    return "\n".join(lines)


def _count(networks: Sequence[Seconds]) -> int:
    return max(len(runs) for seconds in networks for runs in seconds.runs.values())


def _cell(seconds: float | None) -> str:
    return "failed" if seconds is None else f"{seconds:.2f}"


def misses(results: Results) -> list[str]:
    """What takes longer than it may, in a sentence each."""
    limits = {network.name: network for network in NETWORKS}
    messages = []
    for seconds in results.networks:
        network, own = limits[seconds.network], seconds.median("own_s") or 0.0
        total = own + (seconds.median("export_s") or 0.0)
        if total > network.max_s:
            messages.append(f"{network.name}: {total:.1f} s, the limit is {network.max_s:.0f} s")
        if network.max_own_s is not None and own > network.max_own_s:
            messages.append(
                f"{network.name}: {own:.1f} s of its own, the limit is {network.max_own_s:.0f} s"
            )
    return messages
