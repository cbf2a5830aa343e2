"""The quality of a campaign: whether its target can be measured, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy.orm import Session

from lpnet.noise import NoiseFloor
from lpnet.quality.assessment import Evidence, SentinelReading, assess
from lpnet.quality.figures import Counts
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.quality import ENOUGH_WORKLOADS, CampaignQuality
from lpnet.schemas.sample import Sample, Sentinel
from lpnet_service.db.rows import CampaignRow, SampleRow
from lpnet_service.errors import NotFound
from lpnet_service.repositories.campaigns import CampaignRepository, CompletedCounts
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import noise_floor_of, require_target

_NEWEST_SAMPLES = 100
# Of both sentinels together.
_NEWEST_READINGS = 100


@dataclass(frozen=True)
class _Stored:
    """What the store has about a campaign: the counts of its completed jobs, its newest samples,
    and the sentinel readings and noise floor of their epoch."""

    completed: CompletedCounts
    samples: Sequence[SampleRow]
    readings: Sequence[SampleRow]
    floor: NoiseFloor
    threads: int | None


def quality(ctx: Context, id_: str) -> CampaignQuality:
    """The quality of a campaign so far. Raises NotFound."""
    with ctx.db.read() as session:
        row = CampaignRepository(session).get(id_)
        if row is None:
            raise NotFound("campaign", id_)
        return _quality(row, _load(session, row))


def _load(session: Session, row: CampaignRow) -> _Stored:
    target = require_target(session, row.target)
    samples = SampleRepository(session).newest_of_campaign(row.id, _NEWEST_SAMPLES)
    epoch = samples[0].epoch if samples else target.epoch
    return _Stored(
        completed=CampaignRepository(session).count_completed(row.id),
        samples=samples,
        readings=SampleRepository(session).sentinel_readings(
            row.target, _NEWEST_READINGS, epoch=epoch, until=row.finished_at
        ),
        floor=noise_floor_of(TallyRepository(session).get_epoch(row.target, epoch)),
        threads=TargetSpec.model_validate_json(target.spec_json).threads,
    )


def _quality(campaign: CampaignRow, stored: _Stored) -> CampaignQuality:
    evidence = Evidence(
        counts=_counts(campaign, stored),
        samples=[Sample.model_validate_json(sample.body_json) for sample in stored.samples],
        readings=[
            SentinelReading(cast(Sentinel, row.sentinel), row.latency_ms, row.disturbed)
            for row in stored.readings
        ],
        floor=stored.floor,
        threads=stored.threads,
    )
    return CampaignQuality(campaign=campaign.id, target=campaign.target, **dict(assess(evidence)))


def _counts(row: CampaignRow, stored: _Stored) -> Counts:
    # A sample that was measured again keeps its place in the store.
    newest = sorted(stored.samples, key=lambda sample: sample.taken_at)[-ENOUGH_WORKLOADS:]
    return Counts(
        total=row.total,
        measured=stored.completed.measured,
        disturbed=stored.completed.disturbed,
        newest=len(newest),
        newest_disturbed=sum(sample.disturbed for sample in newest),
        ended=row.state != "running",
    )
