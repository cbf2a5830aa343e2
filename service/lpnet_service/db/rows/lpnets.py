"""LPNets, their files, and the runs of the worker."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from lpnet_service.db.rows.base import Base, LeasedRow
from lpnet_service.db.types import UtcTime


class ArtifactRow(Base):
    """The file of an LPNet by its sha256. `elsewhere`: it is in the artifact store, and `content`
    is empty."""

    __tablename__ = "artifacts"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    elsewhere: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class LPNetRow(Base):
    __tablename__ = "lpnets"
    __table_args__ = (UniqueConstraint("target", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"))
    version: Mapped[int]
    epoch: Mapped[int]
    active: Mapped[bool]
    seed: Mapped[int] = mapped_column(BigInteger)
    network_mape_pct: Mapped[float | None]
    batches_json: Mapped[str] = mapped_column(Text)
    weights_sha256: Mapped[str] = mapped_column(ForeignKey("artifacts.sha256"))
    report_json: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class RunRow(LeasedRow):
    """Work for the training worker: a training, a study, or the plan of pruned networks.

    Runs are rows with leases, like jobs, instead of the workflows of a library: the service has
    one tested mechanism, in one database, for work that may outlive its process. `started_at` is
    when the last attempt began; null: not yet, or unknown.
    """

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_offer", "state", "created_at"),)

    kind: Mapped[str]
    target: Mapped[str] = mapped_column(ForeignKey("targets.name"), index=True)
    campaign: Mapped[str | None] = mapped_column(ForeignKey("campaigns.id"))
    params_json: Mapped[str] = mapped_column(Text)
    progress: Mapped[float] = mapped_column(default=0.0)
    stage: Mapped[str | None]
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    error: Mapped[str | None] = mapped_column(Text)
    lpnet: Mapped[str | None] = mapped_column(ForeignKey("lpnets.id"))
    report_json: Mapped[str | None] = mapped_column(Text)
