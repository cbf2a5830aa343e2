"""What an LPNet says about itself; travels as JSON in the header of its file."""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lpnet.errors import LpnetError
from lpnet.model.channels import DYNAMIC
from lpnet.model.features import STATIC
from lpnet.schemas.base import Name, Wire
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.workload import Kind

Range = tuple[float, float]


class Calibration(Wire):
    """Factors q such that `ms * exp(+-q s)` held the share `coverages` of unseen workloads."""

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

        Beyond the last one it grows as a normal distribution's quantile does.
        """
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage must be between 0 and 1, not {coverage}")
        if not self.coverages:
            raise LpnetError("this LPNet was never calibrated, so it has no intervals")
        factors = self.block if kind == "block" else self.network
        last = self.coverages[-1]
        if coverage > last:
            return factors[-1] * _normal(coverage) / _normal(last)
        return float(np.interp(coverage, (0.0, *self.coverages), (0.0, *factors)))


def _normal(coverage: float) -> float:
    return NormalDist().inv_cdf(0.5 + coverage / 2.0)


class Header(Wire):
    """Facts of an LPNet that are not weights."""

    format: Literal[1] = 1
    target: Name
    epoch: int = 1
    seed: int = 0
    members: int = Field(default=8, ge=1, le=64)
    hidden: int = Field(default=48, ge=1, le=4096)
    static: int = Field(default=STATIC, description="static features of a kernel")
    dynamic: int = Field(default=DYNAMIC, description="channel features of a kernel")
    batches: tuple[int, ...] = Field(description="batch sizes seen")
    coverage: tuple[str, ...] = Field(description="kinds of op seen, in words")
    ranges: dict[str, Range] = Field(
        default_factory=dict, description="least and most seen of channels, pixels, latency_ms"
    )
    trained_on: dict[str, int] = Field(
        default_factory=dict, description="samples by kind: block, network"
    )
    noise_floor_pct: float | None = None
    memory: MemoryLimits | None = Field(
        default=None, description="where networks stop fitting; null: all fitted so far"
    )
    base_spread: float = Field(
        default=0.1, gt=0, description="the part of the spread that is there everywhere"
    )
    calibration: Calibration = Calibration()

    @model_validator(mode="after")
    def _features_are_ours(self) -> Header:
        if (self.static, self.dynamic) != (STATIC, DYNAMIC):
            raise ValueError(
                f"made for {self.static} static and {self.dynamic} channel features, this lpnet "
                f"computes {STATIC} and {DYNAMIC}: train again"
            )
        return self
