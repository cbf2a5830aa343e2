"""How an LPNet's errors fall with the samples it learns from, and from version to version."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Name, Time, Wire
from lpnet.schemas.report import Baselines, HeldOut, Interval, TrainedOn


class LearningPoint(Wire):
    """A study, or a version of the LPNet: what it learned from, and how good it was then."""

    kind: Literal["study", "version"] = Field(
        description="a study, which trained on a part of the samples, published nothing, and was "
        "judged on all others; or a version, judged on the held-out samples"
    )
    id: str = Field(description="id of the training (a study), or of the LPNet (a version)")
    version: int | None = Field(description="of the LPNet; null: a study")
    active: bool = Field(description="it is the version that answers predictions")
    seed: int = Field(description="seed of the training or of the study's draw")
    finished_at: Time = Field(description="when it was done")
    trained_on: TrainedOn = Field(description="how much it learned from")
    noise_floor_pct: float | None = Field(
        description="spread between sessions on the target then, percent"
    )
    held_out: HeldOut = Field(description="errors of the LPNet")
    baselines: Baselines = Field(description="errors of simpler models on the same split")
    interval: Interval = Field(description="coverage of the interval")
    calibration: tuple[Interval, ...] = Field(
        default=(), description="coverage of the interval, at several asked ones"
    )


class LearningCurve(Wire):
    """Finished studies and versions of a target's epoch, oldest first."""

    target: Name = Field(description="target")
    epoch: int = Field(description="its current epoch")
    points: tuple[LearningPoint, ...] = Field(
        description="studies and versions; of each kind the newest 500"
    )
