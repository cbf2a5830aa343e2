"""The quality of a campaign: whether its target can be measured, and if not, why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy.orm import Session

from lpnet.noise import NoiseFloor
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.quality import ENOUGH_WORKLOADS, CampaignQuality
from lpnet.schemas.sample import Sample, Sentinel
from lpnet_service.db.rows import CampaignRow, SampleRow
from lpnet_service.errors import NotFound
from lpnet_service.repositories.campaigns import CampaignRepository, CompletedCounts
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.reading import disturbances
from lpnet_service.services.reading.quality_figures import (
    Counts,
    expected_error,
    explain,
    judge,
    other_load,
    spreads,
    wide,
)
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import noise_floor_of, require_target

_NEWEST_SAMPLES = 100
# Of both sentinels together.
_NEWEST_READINGS = 100


@dataclass(frozen=True)
class _Evidence:
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


def _load(session: Session, row: CampaignRow) -> _Evidence:
    target = require_target(session, row.target)
    samples = SampleRepository(session).newest_of_campaign(row.id, _NEWEST_SAMPLES)
    epoch = samples[0].epoch if samples else target.epoch
    return _Evidence(
        completed=CampaignRepository(session).count_completed(row.id),
        samples=samples,
        readings=SampleRepository(session).sentinel_readings(
            row.target, _NEWEST_READINGS, epoch=epoch, until=row.finished_at
        ),
        floor=noise_floor_of(TallyRepository(session).get_epoch(row.target, epoch)),
        threads=TargetSpec.model_validate_json(target.spec_json).threads,
    )


def _quality(row: CampaignRow, evidence: _Evidence) -> CampaignQuality:
    counts = _counts(row, evidence)
    samples = [Sample.model_validate_json(stored.body_json) for stored in evidence.samples]
    causes = disturbances.causes(sample.reasons for sample in samples if sample.disturbed)
    undisturbed_ms = _by_sentinel(row for row in evidence.readings if not row.disturbed)
    sentinels = spreads(_by_sentinel(evidence.readings), undisturbed_ms)
    verdict = judge(counts, sentinels)
    error_pct, error_source = expected_error(evidence.floor, undisturbed_ms)
    advice = list[str]()
    if verdict in ("poor", "bad"):
        advice = disturbances.advice(causes, evidence.threads, unseen=bool(wide(sentinels)))
    return CampaignQuality(
        campaign=row.id,
        target=row.target,
        verdict=verdict,
        reason=explain(counts, causes, sentinels),
        total=counts.total,
        measured=counts.measured,
        good=counts.measured - counts.disturbed,
        disturbed=counts.disturbed,
        newest=counts.newest,
        newest_disturbed=counts.newest_disturbed,
        causes=tuple(causes),
        other_load=other_load([sample.conditions for sample in samples if sample.conditions]),
        sentinels=tuple(sentinels),
        expected_error_pct=error_pct,
        expected_error_source=error_source,
        advice=tuple(advice),
    )


def _counts(row: CampaignRow, evidence: _Evidence) -> Counts:
    # A sample that was measured again keeps its place in the store.
    newest = sorted(evidence.samples, key=lambda stored: stored.taken_at)[-ENOUGH_WORKLOADS:]
    return Counts(
        total=row.total,
        measured=evidence.completed.measured,
        disturbed=evidence.completed.disturbed,
        newest=len(newest),
        newest_disturbed=sum(stored.disturbed for stored in newest),
        ended=row.state != "running",
    )


def _by_sentinel(rows: Iterable[SampleRow]) -> dict[Sentinel, list[float]]:
    values: dict[Sentinel, list[float]] = defaultdict(list)
    for row in rows:
        values[cast(Sentinel, row.sentinel)].append(row.latency_ms)
    return values
