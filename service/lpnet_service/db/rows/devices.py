"""Devices, the agents beside them, and targets."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base
from lpnet_service.db.types import UtcTime


class DeviceRow(Base):
    """`machine` is the random id of the agent's machine; null: unknown."""

    __tablename__ = "devices"

    name: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    facts_json: Mapped[str] = mapped_column(Text)
    machine: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class AgentRow(Base):
    """The agent of a device.

    `block_s` and `network_s` are its time budgets for a workload. `seat` identifies its state
    folder and the boot of its machine. `targets_json` lists the targets that it registered last.
    Null: not reported.
    """

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.name"), unique=True)
    version: Mapped[str]
    seat: Mapped[str | None]
    block_s: Mapped[float | None]
    network_s: Mapped[float | None]
    targets_json: Mapped[str | None] = mapped_column(Text)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)

    def measures(self, target: str) -> bool:
        """Whether it registered this target; true if it is unknown."""
        return self.targets_json is None or target in json.loads(self.targets_json)


class TargetRow(Base):
    """A target.

    `condition` is ready, paused or broken, as its agent reported last; `condition_at` is since
    when, null if unknown. `cause` is what paused or broke it: sentinel, owner, room or device.
    `cleared` counts how often a person cleared it. `epoch_started_at` is null for the first epoch,
    or if it is unknown. `drift_lpnet` is the LPNet that samples since `drifted_at` do not agree
    with; the target has drifted while that one is active.
    """

    __tablename__ = "targets"

    name: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.name"), index=True)
    source: Mapped[str]
    spec_json: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(default=1)
    epoch_started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    condition: Mapped[str] = mapped_column(default="ready", server_default="ready")
    condition_reason: Mapped[str | None]
    cause: Mapped[str | None]
    condition_at: Mapped[datetime | None] = mapped_column(UtcTime)
    cleared: Mapped[int] = mapped_column(default=0, server_default="0")
    drift_lpnet: Mapped[str | None]
    drift_reason: Mapped[str | None]
    drifted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)

    def open_epoch(self, now: datetime) -> None:
        """Start a new epoch: samples measured from now on are not comparable with older ones."""
        self.epoch, self.epoch_started_at = self.epoch + 1, now
