"""Errors of an LPNet by workload."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Wire
from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind


class Residual(Wire):
    """A held-out workload with measured and predicted latency."""

    sample: str = Field(description="id of a sample, a row of the latency table")
    kind: Kind = Field(description="block, or a whole network")
    space: SpaceHash | None = Field(description="content hash; null: a list of ops")
    space_name: str | None = Field(description="name of its space")
    block: str | None = Field(description="name of its block; null: the network")
    draw: Draw | None = Field(description="how it was chosen; null: unknown")
    ops: tuple[str, ...] = Field(description="types of its ops")
    measured_ms: float = Field(description="median of its undisturbed samples, ms")
    predicted_ms: float | None = Field(
        description="predicted latency, ms; null: the LPNet does not cover its ops"
    )
    error_pct: float | None = Field(description="relative error of the prediction, percent")
    low_ms: float | None = Field(description="lower end of the interval, ms; null: unknown")
    high_ms: float | None = Field(description="upper end of the interval, ms; null: unknown")


class ErrorFigures(Wire):
    """Errors over a group of workloads."""

    workloads: int = Field(description="number of workloads")
    mape_pct: float = Field(description="mean absolute percentage error")
    bias_pct: float = Field(description="median error, percent; above 0: predictions are too high")


class OpErrors(ErrorFigures):
    """Errors of the workloads with an op of this type."""

    op: str = Field(description="type of op")
    kind: Kind = Field(description="kind of the workloads")


class LatencyErrors(ErrorFigures):
    """Errors of a decile of the workloads of a kind, by measured latency."""

    kind: Kind = Field(description="kind of the workloads")
    from_ms: float = Field(description="lowest measured latency, ms")
    to_ms: float = Field(description="highest measured latency, ms")


class Residuals(Wire):
    """Held-out workloads of the epoch of an LPNet, including those measured later."""

    lpnet: str = Field(description="id of the LPNet")
    target: Name = Field(description="target")
    epoch: int = Field(description="epoch of its training")
    coverage: float = Field(description="coverage of the intervals")
    workloads: int = Field(description="number of held-out workloads, at most 5,000")
    complete: bool = Field(description="false: there are more, and these are a random part")
    items: tuple[Residual, ...] = Field(description="workloads in the requested order")
    by_op: tuple[OpErrors, ...] = Field(description="by type of op, the largest error first")
    by_latency: tuple[LatencyErrors, ...] = Field(description="by deciles of latency, ascending")
