"""Targets compared on the workloads that all of them measured."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, SpaceHash, Wire
from lpnet.schemas.workload import Kind, Workload


class ComparedTarget(Wire):
    """A compared target."""

    target: Name = Field(description="target")
    epoch: int = Field(description="current epoch, to which its samples belong")
    lpnet: str | None = Field(description="id of its active LPNet; null: none yet")
    noise_floor_pct: float | None = Field(
        description="spread between its sessions, percent; null: unknown"
    )


class Compared(Wire):
    """The compared workloads are those of which each target has an undisturbed sample; the latency
    of a workload is the median of its samples."""

    targets: tuple[ComparedTarget, ...] = Field(description="in the order of the request")
    workloads: int = Field(description="workloads in common that were compared")
    share: float = Field(
        description="share of all common workloads that were compared; below 1 they are a random "
        "part, the same for each request, because there are too many"
    )


class ComparedRow(Wire):
    """A workload on each target; tuples are in the order of the targets."""

    kind: Kind = Field(description="block, or a whole network")
    workload: Workload = Field(description="the workload")
    space_name: str | None = Field(description="name of its space; null: a list of ops")
    latency_ms: tuple[float, ...] = Field(description="median of its undisturbed samples, ms")
    ratio: tuple[float, ...] = Field(description="latency over that of the first target")
    fastest: Name = Field(description="target with the lowest latency")
    sample: str = Field(description="id of a sample on the first target")


class ComparePage(Compared):
    """A page of compared workloads."""

    items: tuple[ComparedRow, ...] = Field(description="rows")
    next: str | None = Field(
        default=None, description="value of `after` for the next page; null: there is none"
    )
    previous: str | None = Field(
        default=None, description="value of `after` for the previous page; null: there is none"
    )


class TargetFigures(Wire):
    """Ratios of a target on a group of workloads."""

    target: Name = Field(description="target")
    median_ratio: float = Field(
        description="median ratio of its latency to that of the first target"
    )
    p10_ratio: float = Field(description="10th percentile of the ratio")
    p90_ratio: float = Field(description="90th percentile of the ratio")
    fastest_pct: float = Field(
        description="share of workloads on which it is the fastest, percent"
    )


class CompareFigures(Wire):
    """Ratios of all targets on a group of workloads."""

    kind: Kind | None = Field(default=None, description="kind of the workloads; null: both")
    space: SpaceHash | None = Field(default=None, description="space of the workloads; null: all")
    space_name: str | None = Field(default=None, description="name of the space")
    block: str | None = Field(default=None, description="block of the workloads; null: all")
    workloads: int = Field(description="number of workloads")
    targets: tuple[TargetFigures, ...] = Field(description="the targets")


class CompareSummary(Compared):
    """Targets compared as a whole, by kind and by block."""

    all: CompareFigures | None = Field(description="all workloads in common; null: there are none")
    kinds: tuple[CompareFigures, ...] = Field(description="by kind")
    blocks: tuple[CompareFigures, ...] = Field(
        description="by block, sorted by number of workloads, at most 200"
    )
