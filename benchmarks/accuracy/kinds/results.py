"""The results file of the benchmark: every held-out workload with all predictions."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

RESULTS = Path(__file__).parents[1] / "kinds.json"


@dataclass(frozen=True)
class Op:
    """A kernel and its part of the predicted latency, as a share."""

    name: str
    share: float


@dataclass(frozen=True)
class Workload:
    """A held-out workload. Latencies are in ms; `inside` says whether it is in the 90% interval,
    `baselines` are predictions by name, null where there were too few samples."""

    space: str
    kind: str
    block: str | None
    draw: str
    measured_ms: float
    predicted_ms: float
    inside: bool
    baselines: dict[str, float | None]
    ops: list[Op]

    @property
    def error_pct(self) -> float:
        """Signed: above 0 the prediction is too long."""
        return 100.0 * (self.predicted_ms - self.measured_ms) / self.measured_ms

    def baseline_error_pct(self, name: str) -> float | None:
        predicted = self.baselines[name]
        if predicted is None:
            return None
        return 100.0 * abs(predicted - self.measured_ms) / self.measured_ms


@dataclass(frozen=True)
class Counts:
    """Samples of a space: distinct workloads trained on and held out, by block and network;
    disturbed samples, blocks left out because a held-out network holds them, and held-out
    workloads that the LPNet does not cover."""

    space: str
    kind: str
    trained_blocks: int
    trained_networks: int
    held_out_blocks: int
    held_out_networks: int
    disturbed: int
    left_out: int
    uncovered: int
    noise_floor_pct: float | None


@dataclass(frozen=True)
class Results:
    """A run. `cpu` and `target` are what measured; `seconds` of measuring are null if the
    samples were there before."""

    date: str
    quick: bool
    seed: int
    cpu: str
    target: str
    noise_floor_pct: float | None
    measuring_s: float | None
    training_s: float
    counts: list[Counts]
    workloads: list[Workload]


_ADAPTER = TypeAdapter(Results)


def write(results: Results, path: Path = RESULTS) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def read(path: Path = RESULTS) -> Results | None:
    """None if the benchmark was not run yet."""
    return _ADAPTER.validate_json(path.read_text(encoding="utf-8")) if path.exists() else None
