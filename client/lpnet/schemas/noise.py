"""The noise floors of targets."""

from __future__ import annotations

from pydantic import Field

from lpnet.schemas.base import Name, Wire


class TargetNoise(Wire):
    """The noise floor of a target's current epoch, and how well it is known."""

    target: Name = Field(description="target")
    epoch: int = Field(description="current epoch, to which its samples belong")
    workloads: int = Field(
        description="workloads with undisturbed samples in sessions that are apart in time"
    )
    needed: int = Field(description="number of such workloads from which on the floor is known")
    apart_s: float = Field(description="sessions count from this distance on, s")
    pct: float | None = Field(
        description="median spread between the sessions of these workloads, percent; null: too few"
    )
    low_pct: float | None = Field(description="lower end of its 95% bootstrap interval, percent")
    high_pct: float | None = Field(description="upper end of its 95% bootstrap interval, percent")
    reason: str | None = Field(description="why it is unknown; null: it is known")


class NoiseList(Wire):
    """The noise floors of all targets."""

    items: tuple[TargetNoise, ...] = Field(description="by name of the target")
