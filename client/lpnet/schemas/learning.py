"""Errors of LPNets as a function of the number of training samples, and by version."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lpnet.schemas.base import Name, Time, Wire
from lpnet.schemas.report import Baselines, HeldOut, Interval, TrainedOn


class LearningPoint(Wire):
    """A study, or a version of the LPNet: its training samples and its errors."""

    kind: Literal["study", "version"] = Field(
        description="a study, trained on a part of the samples, tested on the others and not "
        "published; or a version, tested on the held-out samples"
    )
    id: str = Field(description="id of the training (a study), or of the LPNet (a version)")
    version: int | None = Field(description="version of the LPNet; null: a study")
    active: bool = Field(description="whether it is the version in use")
    seed: int = Field(description="seed of the training, or of the draw of a study")
    finished_at: Time = Field(description="when it was done")
    trained_on: TrainedOn = Field(description="number of training samples")
    noise_floor_pct: float | None = Field(
        description="spread between sessions on the target then, percent"
    )
    held_out: HeldOut = Field(description="errors of the LPNet")
    baselines: Baselines = Field(description="errors of simpler models on the same split")
    interval: Interval = Field(description="coverage of the interval")
    calibration: tuple[Interval, ...] = Field(
        default=(), description="coverage of the interval at several nominal coverages"
    )


class LearningCurve(Wire):
    """Finished studies and versions of a target's epoch, oldest first."""

    target: Name = Field(description="target")
    epoch: int = Field(description="its current epoch")
    points: tuple[LearningPoint, ...] = Field(
        description="studies and versions; of each kind the newest 500"
    )
