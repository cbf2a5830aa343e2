"""The facts of a latency model, stored as JSON in the header of its file."""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lpnet.errors import LpnetError
from lpnet.model.kernels import coverage
from lpnet.schemas.base import Name, Wire
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.report import CandidateErrors
from lpnet.schemas.workload import Kind
from lpnet.space.table import OpTable

Range = tuple[float, float]


class Calibration(Wire):
    """Factors q such that `ms * exp(+-q * spread)` held the share `coverages` of workloads that
    the model was not fitted to."""

    coverages: tuple[float, ...] = Field(default=(), description="ascending, between 0 and 1")
    block: tuple[float, ...] = ()
    network: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_factor_per_coverage(self) -> Calibration:
        for name in ("block", "network"):
            factors = getattr(self, name)
            if len(factors) != len(self.coverages):
                raise ValueError(
                    f"{name}: {len(factors)} factors, {len(self.coverages)} coverages"
                )
            if list(factors) != sorted(factors) or any(q <= 0 for q in factors):
                raise ValueError(f"{name}: factors must be positive and ascending")
        if list(self.coverages) != sorted(self.coverages):
            raise ValueError("coverages must be ascending")
        return self

    def quantile(self, coverage: float, kind: Kind) -> float:
        """The factor for any coverage: linear between the calibrated ones.

        Beyond the last one it grows as the quantile of a normal distribution does. Raises
        LpnetError for a model that was never calibrated, ValueError for a coverage that is not
        between 0 and 1.
        """
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage must be between 0 and 1, got {coverage}")
        if not self.coverages:
            raise LpnetError("this LPNet was never calibrated, so it has no intervals")
        factors = self.block if kind == "block" else self.network
        last = self.coverages[-1]
        if coverage > last:
            return factors[-1] * _normal_quantile(coverage) / _normal_quantile(last)
        return float(np.interp(coverage, (0.0, *self.coverages), (0.0, *factors)))


def _normal_quantile(coverage: float) -> float:
    return NormalDist().inv_cdf(0.5 + coverage / 2.0)


class Header(Wire):
    """Facts of a latency model that are not tensors. A kind adds its own fields in a subclass."""

    format: Literal[1] = 1
    target: Name
    epoch: int = 1
    seed: int = 0
    batches: tuple[int, ...] = Field(description="batch sizes trained on")
    coverage: tuple[str, ...] = Field(description="descriptions of the ops trained on")
    ranges: dict[str, Range] = Field(
        default_factory=dict, description="min and max of channels, pixels, latency_ms in training"
    )
    trained_on: dict[str, int] = Field(
        default_factory=dict, description="samples by kind: block, network"
    )
    noise_floor_pct: float | None = None
    memory: MemoryLimits | None = Field(
        default=None, description="where networks stop fitting; null: none has failed so far"
    )
    base_spread: float = Field(
        default=0.1, gt=0, description="the part of the spread that does not depend on the widths"
    )
    calibration: Calibration = Calibration()
    candidates: tuple[CandidateErrors, ...] | None = Field(
        default=None, description="kinds among which training chose; null: it was told the kind"
    )
    transferred_from: Name | None = Field(
        default=None, description="target that training began with; null: it began from scratch"
    )

    def uncovered(self, table: OpTable, batch: int) -> list[str]:
        """The ops of a table, and the batch size, that training did not have."""
        covered = set(self.coverage)
        missing = [op for op in coverage(table) if op not in covered]
        if batch not in self.batches:
            trained = ", ".join(str(size) for size in self.batches)
            missing.append(f"batch {batch} (seen: {trained})")
        return missing
