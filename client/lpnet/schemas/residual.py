"""How far off an LPNet is, workload by workload."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Wire
from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind


class Residual(Wire):
    """A held-out workload: measured, and as the LPNet predicts it."""

    sample: str = Field(description="id of a sample of it, a row of the latency table")
    kind: Kind = Field(description="block, or a whole network")
    space: SpaceHash | None = Field(description="content hash; null: ops given one by one")
    space_name: str | None = Field(description="name of its space")
    block: str | None = Field(description="name of its block; null: the network")
    draw: Draw | None = Field(description="how it was chosen; null: nobody recorded it")
    ops: tuple[str, ...] = Field(description="types of the ops in it, as they are priced")
    measured_ms: float = Field(description="median of its undisturbed samples, ms")
    predicted_ms: float | None = Field(description="null: ops that the LPNet does not cover")
    error_pct: float | None = Field(description="predicted over measured, less one, percent")
    low_ms: float | None = Field(description="lower end of the interval, ms; null: none is known")
    high_ms: float | None = Field(description="upper end of the interval, ms; null: none is known")


class ErrorFigures(Wire):
    """Errors over some of the workloads."""

    workloads: int = Field(description="how many they are")
    mape_pct: float = Field(description="mean absolute percentage error")
    bias_pct: float = Field(description="median error, percent; above 0: predicted too slow")


class OpErrors(ErrorFigures):
    """Errors of the workloads that have an op of this type."""

    op: str = Field(description="type of op, as it is priced")
    kind: Kind = Field(description="kind of the workloads")


class LatencyErrors(ErrorFigures):
    """Errors of a tenth of the workloads of a kind, by measured latency."""

    kind: Kind = Field(description="kind of the workloads")
    from_ms: float = Field(description="least measured latency, ms")
    to_ms: float = Field(description="largest measured latency, ms")


class Residuals(Wire):
    """Held-out workloads of the epoch of an LPNet, measured since then too."""

    lpnet: str = Field(description="id of the LPNet")
    target: Name = Field(description="target")
    epoch: int = Field(description="epoch that it was trained on")
    coverage: float = Field(description="asked coverage of the intervals")
    workloads: int = Field(description="held-out workloads that were looked at, at most 5,000")
    complete: bool = Field(description="false: there are more, of which these are a random part")
    items: tuple[Residual, ...] = Field(description="workloads in the order asked for")
    by_op: tuple[OpErrors, ...] = Field(description="by type of op, the largest error first")
    by_latency: tuple[LatencyErrors, ...] = Field(description="by tenths of latency, ascending")
