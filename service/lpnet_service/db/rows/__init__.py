"""Rows, one file per noun. Text columns named `..._json` hold a wire value as JSON."""

from lpnet_service.db.rows.base import Base, LeasedRow
from lpnet_service.db.rows.campaigns import CampaignRow, JobRow
from lpnet_service.db.rows.devices import AgentRow, DeviceRow, TargetRow
from lpnet_service.db.rows.lpnets import ArtifactRow, LPNetRow, RunRow
from lpnet_service.db.rows.memory import MemoryFailureRow
from lpnet_service.db.rows.prunings import PruningRow
from lpnet_service.db.rows.samples import DoubtRow, SampleRow, SideRow
from lpnet_service.db.rows.spaces import SpaceRow
from lpnet_service.db.rows.tallies import EpochRow, GroupRow, WorkloadRow
from lpnet_service.db.rows.tokens import SessionRow, TokenRow

__all__ = [
    "AgentRow",
    "ArtifactRow",
    "Base",
    "CampaignRow",
    "DeviceRow",
    "DoubtRow",
    "EpochRow",
    "GroupRow",
    "JobRow",
    "LPNetRow",
    "LeasedRow",
    "MemoryFailureRow",
    "PruningRow",
    "RunRow",
    "SampleRow",
    "SessionRow",
    "SideRow",
    "SpaceRow",
    "TargetRow",
    "TokenRow",
    "WorkloadRow",
]
