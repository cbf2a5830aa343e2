"""Which workloads of a campaign are measured again, because a fit does not explain them."""

from __future__ import annotations

import math

from lpnet.schemas.campaign import NewCampaign, PlannedWorkload
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet_service.repositories.doubts import DoubtRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.measuring.doubts import DoubtedWorkload
from lpnet_service.services.shared.context import Context
from lpnet_service.training import doubted
from lpnet_service.worker.dataset import Dataset

# At most this share of the samples of a campaign.
MAX_SHARE = 0.04


def choose(
    ctx: Context, run: ClaimedRun, data: Dataset, request: NewCampaign
) -> list[DoubtedWorkload]:
    """Workloads of the campaign to measure again. None is chosen twice in an epoch."""
    assert run.campaign is not None
    with ctx.db.read() as session:
        known = DoubtRepository(session).keys(run.target, data.epoch)
        samples = SampleRepository(session)
        rows = samples.trainable_of_campaign(run.target, data.epoch, run.campaign)
    bodies = {key: body for key, body in rows}
    limit = math.ceil(MAX_SHARE * len(bodies))
    chosen = list[DoubtedWorkload]()
    for doubt in doubted(data.records, target=run.target, seed=request.seed):
        if doubt.key in known or doubt.key not in bodies or len(chosen) == limit:
            continue
        sample = Sample.model_validate_json(bodies[doubt.key])
        if isinstance(sample.workload, SpaceWorkload):
            planned = PlannedWorkload(kind=sample.kind, workload=sample.workload, draw=sample.draw)
            chosen.append(
                DoubtedWorkload(planned, data.epoch, doubt.measured_ms, doubt.predicted_ms)
            )
    return chosen
