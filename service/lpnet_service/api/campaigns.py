"""Campaigns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.campaign import Campaign, CampaignList, CampaignState, NewCampaign
from lpnet.schemas.estimate import CampaignEstimate
from lpnet.schemas.quality import CampaignQuality
from lpnet_service.api.access import Lister, Trainer
from lpnet_service.api.deps import After, Ctx, Id, StrictRoute, limit, with_space_hash
from lpnet_service.api.problems import problems
from lpnet_service.services.measuring import campaigns
from lpnet_service.services.reading import campaign_quality, estimates
from lpnet_service.services.upkeep import sweeping

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], route_class=StrictRoute)


@router.get("", responses=problems(422))
def list_campaigns(
    ctx: Ctx,
    caller: Lister,
    target: Annotated[
        str | None, Query(pattern=TARGET_NAME, description="name of a target; absent: all")
    ] = None,
    state: Annotated[
        CampaignState | None, Query(description="state of the campaigns; absent: all")
    ] = None,
    after: After = None,
    limit: Annotated[int, limit(200, 50)] = 50,
) -> CampaignList:
    """Campaigns, newest first."""
    sweeping.sweep(ctx)
    return campaigns.page(ctx, target=target, state=state, after=after, limit=limit)


@router.post("", status_code=201, responses=problems(404, 409, 413, 422))
def start_campaign(ctx: Ctx, caller: Trainer, new: NewCampaign, response: Response) -> Campaign:
    """Measure a space on a target: drawn workloads, or exactly the listed ones."""
    campaign = campaigns.create(ctx, with_space_hash(ctx, new))
    response.headers["Location"] = f"/v1/campaigns/{campaign.id}"
    return campaign


@router.post(":estimate", responses=problems(404, 409, 413, 422))
def estimate_campaign(ctx: Ctx, caller: Trainer, new: NewCampaign) -> CampaignEstimate:
    """Estimate samples, time and coverage of a campaign. Nothing is started."""
    return estimates.estimate(ctx, with_space_hash(ctx, new))


@router.get("/{id}", responses=problems(404, 422))
def get_campaign(ctx: Ctx, caller: Lister, id: Id) -> Campaign:
    """A campaign and its progress."""
    sweeping.sweep(ctx)
    return campaigns.get(ctx, id)


@router.get("/{id}/quality", responses=problems(404, 422))
def get_campaign_quality(ctx: Ctx, caller: Lister, id: Id) -> CampaignQuality:
    """Whether the target can be measured: disturbed samples and their causes, and what helps."""
    return campaign_quality.quality(ctx, id)


@router.post("/{id}/cancel", responses=problems(404, 422))
def cancel_campaign(ctx: Ctx, caller: Trainer, id: Id) -> Campaign:
    """Cancel a campaign; its samples are kept. A campaign that has ended does not change."""
    return campaigns.cancel(ctx, id)
