"""What is compared: networks, budgets, methods, and how long each may train."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Schedule:
    """Epochs and rates of a network, the same for every method: `pretrain` once for all, then
    `gate` and `tune`. A method without gates trains its small network in `gate` as well."""

    pretrain: int
    gate: int
    tune: int
    batch: int
    lr: float


SCHEDULES = {
    "resnet20": Schedule(pretrain=15, gate=4, tune=8, batch=64, lr=0.05),
    "mobilenet_v2_32": Schedule(pretrain=8, gate=1, tune=3, batch=32, lr=0.03),
}
METHODS = {
    "wgates": "W-Gates, LPNet",
    "magnitude": "magnitude, LPNet's widths",
    "wgates-mlp": "W-Gates, the paper's width MLP",
    "wgates-flops8": "W-Gates, FLOPs penalty, rounded to 8",
    "wgates-flops16": "W-Gates, FLOPs penalty, rounded to 16",
    "torch-pruning8": "Torch-Pruning, `round_to=8`",
    "torch-pruning16": "Torch-Pruning, `round_to=16`",
    "uniform": "uniform, not rounded",
    "uniform8": "uniform, rounded to 8",
    "netadapt": "NetAdapt-style greedy, measuring",
}


@dataclass(frozen=True)
class Cell:
    """One network of the table: its file says all that was found."""

    model: str
    method: str
    share: float = 0.5
    batch: int = 1
    threads: int = 1
    seed: int = 0

    @property
    def file(self) -> Path:
        return self.folder / f"{self.method}.json"

    @property
    def folder(self) -> Path:
        """Of all methods that are compared with this one."""
        where = f"{self.model}-b{self.batch}-t{self.threads}-{100 * self.share:.0f}pct"
        return RESULTS / f"{where}-seed{self.seed}"

    @property
    def schedule(self) -> Schedule:
        return SCHEDULES[self.model]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"schedule": asdict(self.schedule)}
