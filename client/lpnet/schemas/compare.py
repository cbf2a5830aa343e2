"""Targets beside each other, on the workloads that all of them measured."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Wire
from lpnet.schemas.workload import Kind, Workload


class ComparedTarget(Wire):
    """A target that is compared."""

    target: Name = Field(description="target")
    epoch: int = Field(description="epoch that its samples are of: the current one")
    lpnet: str | None = Field(description="id of its active LPNet; null: none yet")
    noise_floor_pct: float | None = Field(
        description="spread between its sessions, percent; null: unknown"
    )


class Compared(Wire):
    """What was compared: workloads of which every target has an undisturbed sample, each by the
    median of those."""

    targets: tuple[ComparedTarget, ...] = Field(description="in the order they were asked for")
    workloads: int = Field(description="workloads in common that were compared")
    share: float = Field(
        description="share of all workloads that was looked at; below 1 it is a random part, the "
        "same for everybody, since the targets have too many"
    )


class ComparedRow(Wire):
    """A workload on every target; tuples are in the order of the targets."""

    kind: Kind = Field(description="block, or a whole network")
    workload: Workload = Field(description="what was timed")
    space_name: str | None = Field(description="name of its space; null: ops given one by one")
    latency_ms: tuple[float, ...] = Field(description="median of its undisturbed samples, ms")
    ratio: tuple[float, ...] = Field(description="latency over that of the first target")
    fastest: Name = Field(description="target with the least latency")
    sample: str = Field(description="id of a sample of it on the first target")


class ComparePage(Compared):
    """A page of compared workloads."""

    items: tuple[ComparedRow, ...] = Field(description="rows")
    next: str | None = Field(
        default=None, description="pass as `after` for the next page; null: none"
    )
    previous: str | None = Field(
        default=None, description="pass as `after` for the page before; null: none"
    )


class TargetFigures(Wire):
    """How a target does on some workloads."""

    target: Name = Field(description="target")
    median_ratio: float = Field(description="median of its latency over the first target's")
    p10_ratio: float = Field(description="10th percentile of it")
    p90_ratio: float = Field(description="90th percentile of it")
    fastest_pct: float = Field(description="share of the workloads where it is fastest, percent")


class CompareFigures(Wire):
    """How the targets do on some workloads."""

    kind: Kind | None = Field(default=None, description="workloads of this kind; null: of both")
    space: SpaceHash | None = Field(default=None, description="of this space; null: of all")
    space_name: str | None = Field(default=None, description="name of the space")
    block: str | None = Field(default=None, description="of this block; null: of all")
    workloads: int = Field(description="how many they are")
    targets: tuple[TargetFigures, ...] = Field(description="each target")


class CompareSummary(Compared):
    """Targets compared as a whole, by kind and by block."""

    all: CompareFigures | None = Field(description="all workloads in common; null: there are none")
    kinds: tuple[CompareFigures, ...] = Field(description="by kind")
    blocks: tuple[CompareFigures, ...] = Field(
        description="by block, those with the most workloads first, at most 200"
    )
