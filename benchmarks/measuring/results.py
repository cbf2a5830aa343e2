"""Results of campaigns beside disturbers: samples with their truth, and what measuring took."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.measuring.truth import Truth

RESULTS = Path(__file__).with_name("campaigns.json")


@dataclass(frozen=True)
class Campaign:
    """A campaign beside a disturber. Latencies are in ms, by workload: of the agent, of the median
    of all its runs, and of usual methods by name. `wall_s` is all the time that the agent took,
    `busy_s` that in its measuring process, `timed_s` that of timed repeats, `usual_s` that of 50
    runs of each of the workloads."""

    kind: str
    latency_ms: dict[str, float]
    plain_ms: dict[str, float]
    disturbed: dict[str, bool]
    usual_ms: dict[str, dict[str, float]]
    wall_s: float
    busy_s: float
    timed_s: float
    usual_s: float


@dataclass(frozen=True)
class Results:
    """A run of so many minutes on a machine with that CPU, and the truths by workload."""

    date: str
    cpu: str
    minutes: float
    truths: dict[str, Truth]
    campaigns: list[Campaign]

    def known(self) -> dict[str, Truth]:
        return {name: truth for name, truth in self.truths.items() if truth.known}


def write(results: Results, path: Path = RESULTS) -> None:
    path.write_text(json.dumps(_rounded(asdict(results)), indent=1) + "\n")


def read(path: Path = RESULTS) -> Results | None:
    """None if the benchmark was not run yet."""
    if not path.exists():
        return None
    return TypeAdapter(Results).validate_json(path.read_bytes())


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
