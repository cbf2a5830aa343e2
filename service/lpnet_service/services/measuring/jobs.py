"""The items of a job, its lock, and what the log says about it."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from lpnet.logs import fields
from lpnet.logs.secrets import lease_id
from lpnet.schemas.campaign import LeasedItem
from lpnet_service.db.rows import CampaignRow, JobRow
from lpnet_service.errors import LeaseLost
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.leases import LeaseRepository

_ITEMS = TypeAdapter(list[LeasedItem])


def items_of(job: JobRow) -> list[LeasedItem]:
    return _ITEMS.validate_json(job.items_json)


def item_ids(job: JobRow) -> list[str]:
    """Ids of the items of a job; their samples have the same ids."""
    return [item["id"] for item in json.loads(job.items_json)]


def lock_leased(session: Session, job: JobRow) -> tuple[CampaignRow, JobRow]:
    """The campaign and the job, locked in this order. Raises LeaseLost if the job's lease has
    changed."""
    assert job.lease_token is not None
    campaign = CampaignRepository(session).lock(job.campaign)
    locked = LeaseRepository(session, JobRow).find_by_token(job.lease_token, lock=True)
    if campaign is None or locked is None:
        raise LeaseLost
    return campaign, locked


def bind_log_fields(job: JobRow) -> None:
    lease = job.lease_token and lease_id(job.lease_token)
    fields.bind(job=job.id, lease=lease, campaign=job.campaign, target=job.target, agent=job.agent)


def touch_agent(session: Session, job: JobRow, now: datetime) -> None:
    if job.agent is not None:
        DeviceRepository(session).touch_agents([job.agent], now)
