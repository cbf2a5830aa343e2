"""The results file: every cell of both parts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.accuracy.economy.active import ActiveCell
from benchmarks.accuracy.economy.transfer import TransferCell

RESULTS = Path(__file__).parents[1] / "economy.json"


@dataclass(frozen=True)
class Results:
    active: list[ActiveCell]
    transfer: list[TransferCell]


_RESULTS = TypeAdapter(Results)


def read(path: Path = RESULTS) -> Results:
    """Nothing, if there is no file."""
    return _RESULTS.validate_json(path.read_text()) if path.exists() else Results([], [])


def write(results: Results, path: Path = RESULTS) -> None:
    """A line for each cell, with four digits."""
    parts = []
    for name, cells in asdict(results).items():
        lines = ",\n".join(json.dumps(_rounded(cell)) for cell in cells)
        parts.append(f'"{name}": [\n{lines}\n]')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _rounded(cell: dict[str, object]) -> dict[str, object]:
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in cell.items()
    }
