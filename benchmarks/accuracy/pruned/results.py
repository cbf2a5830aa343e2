"""The results file of the benchmark: a run per runtime, each with what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

FILE = Path(__file__).parents[1] / "pruned.json"


@dataclass(frozen=True)
class HeldOut:
    """A held-out workload with its predictions, in ms; a baseline is null where it had too few
    samples. `inside`: within the 90% interval."""

    network: str
    kind: str
    measured_ms: float
    predicted_ms: float
    inside: bool
    flops_ms: float | None
    flops_per_space_ms: float | None


@dataclass(frozen=True)
class Chosen:
    """A network that was chosen by optimising the predictor; `upper_ms` is the upper end of
    95%."""

    network: str
    method: str
    budget_share: float
    predicted_ms: float
    upper_ms: float
    measured_ms: float

    @property
    def error_pct(self) -> float:
        """Signed: above 0 the prediction is too long."""
        return 100.0 * (self.predicted_ms - self.measured_ms) / self.measured_ms


@dataclass(frozen=True)
class Transfer:
    """An LPNet on networks of a space, `few` of which it was trained on.

    `uncovered` are the ops because of which it refuses these networks. The error is then that of
    its prices in spite of this.
    """

    source: str
    target: str
    few: int
    uncovered: tuple[str, ...]
    n: int
    mape_pct: float
    median_error_pct: float


@dataclass(frozen=True)
class Sweep:
    """A block at several values of one width, and which of these are fast: cheaper than every
    larger one. `certain` excludes values that are so by less than twice the noise floor."""

    network: str
    block: str
    values: tuple[int, ...]
    measured_ms: tuple[float, ...]
    predicted_ms: tuple[float, ...]
    fast: tuple[bool, ...]
    predicted_fast: tuple[bool, ...]
    certain: tuple[bool, ...]


@dataclass(frozen=True)
class Results:
    date: str
    quick: bool
    seed: int
    machine: str
    runtime: str
    kind: str
    trained_blocks: int
    trained_networks: int
    block_floor_pct: float | None
    network_floor_pct: float | None
    granule_spearman: float | None
    granule_pairs: int
    regret_pct: float | None
    tested: list[HeldOut]
    chosen: list[Chosen]
    transfers: list[Transfer]
    sweeps: list[Sweep]


_ADAPTER = TypeAdapter(list[Results])


def read(path: Path = FILE) -> list[Results]:
    """By runtime; empty if the benchmark was not run yet."""
    return _ADAPTER.validate_json(path.read_text(encoding="utf-8")) if path.exists() else []


def write(results: Results, path: Path = FILE) -> None:
    """Replace the run of the same runtime."""
    others = [run for run in read(path) if run.runtime != results.runtime]
    runs: Sequence[Results] = sorted([*others, results], key=lambda run: run.runtime)
    content = json.dumps([asdict(run) for run in runs], indent=1)
    path.write_text(content + "\n", encoding="utf-8")
