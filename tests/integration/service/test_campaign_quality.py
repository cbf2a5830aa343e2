"""The quality of a campaign is known after its first job, from what is stored."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.campaign import Campaign, Completion, Lease, NewCampaign
from lpnet.schemas.quality import CampaignQuality
from lpnet.schemas.sample import SampleBatch
from lpnet_service.errors import NotFound
from lpnet_service.services.measuring import campaigns, ingest, leasing
from lpnet_service.services.reading import campaign_quality

Bench = Any
WAITED = "other work had its CPU in or just before 40 of 60 runs"
OPS = {"ops": [{"type": "linear", "c_in": 64, "c_out": 64}]}


def start(bench: Bench, **fields: Any) -> Campaign:
    values = {"blocks": 40, "networks": 0, "pruned": 0, "repeats": 0} | fields
    new = NewCampaign(target=bench.target, space=bench.space.hash, **values)
    return campaigns.create(bench.ctx, new)


def measure(bench: Bench, disturbed: int, session: str = "first") -> Lease:
    """Complete the next job; its first `disturbed` samples are disturbed."""
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    samples = tuple(
        bench.sample(
            id=item.id,
            kind=item.kind,
            workload=item.workload.model_dump(),
            measured_at=bench.clock.now(),
            session=session,
            disturbed=index < disturbed,
            reasons=(WAITED,) if index < disturbed else (),
            conditions={"wall_s": 1.0, "waited_s": 0.25, "visits_ms": (1.0, 1.1)},
        )
        for index, item in enumerate(lease.items)
    )
    bench.complete(lease.token, Completion(samples=samples))
    bench.clock.advance(20)
    return lease


def read_sentinel(bench: Bench, *latencies: float, disturbed: bool = False) -> None:
    samples = []
    for ms in latencies:
        bench.clock.advance(1)
        fields = {"sentinel": "arithmetic", "workload": OPS, "measured_at": bench.clock.now()}
        samples.append(bench.sample(ms, disturbed=disturbed, **fields))
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))


def look(bench: Bench, campaign: Campaign) -> CampaignQuality:
    return campaign_quality.quality(bench.ctx, campaign.id)


def test_the_first_job_is_a_dozen_and_says_how_it_is(bench: Bench) -> None:
    campaign = start(bench)
    assert look(bench, campaign).verdict == "unknown"
    assert look(bench, campaign).reason == "0 of the first 12 workloads were measured"
    lease = measure(bench, 8)
    assert len(lease.items) == 12
    bad = look(bench, campaign)
    assert (bad.verdict, bad.total, bad.measured, bad.good, bad.disturbed) == ("bad", 40, 12, 4, 8)
    assert bad.reason == "8 of 12 samples are disturbed: other work had its CPU (8)"
    (cause,) = bad.causes
    assert (cause.cause, cause.samples, cause.example) == ("cpu", 8, WAITED)
    assert (bad.newest, bad.newest_disturbed) == (12, 8)
    assert bad.other_load.cpu_pct == pytest.approx(25)
    assert bad.other_load.visits_pct == pytest.approx(10)
    assert bad.other_load.cores_pct is None
    assert bad.advice


def test_what_was_measured_again_counts_as_good(bench: Bench) -> None:
    campaign = start(bench)
    measure(bench, 8)
    measure(bench, 0)
    bench.clock.advance(100)
    again = measure(bench, 0, session="second")
    assert len(again.items) == 8
    good = look(bench, campaign)
    assert (good.verdict, good.measured, good.disturbed, good.causes) == ("good", 36, 0, ())
    assert good.advice == ()


def test_only_completed_jobs_count(bench: Bench) -> None:
    campaign = start(bench)
    measure(bench, 1)
    assert leasing.claim(bench.ctx, bench.agent, [bench.target]) is not None
    campaigns.cancel(bench.ctx, campaign.id)
    ended = look(bench, campaign)
    assert (ended.verdict, ended.measured, ended.disturbed) == ("good", 12, 1)


def test_it_is_of_the_campaign_alone(bench: Bench) -> None:
    other = start(bench)
    bench.clock.advance(1)
    campaign = start(bench)
    measure(bench, 12)
    assert look(bench, other).verdict == "bad"
    assert look(bench, campaign).verdict == "unknown"
    assert look(bench, campaign).causes == ()


def test_sentinels_of_the_epoch_tell_what_samples_do_not(bench: Bench) -> None:
    campaign = start(bench, blocks=12)
    read_sentinel(bench, 1.09, 1.55, 1.60, 1.66)
    read_sentinel(bench, 3.0, disturbed=True)
    before = look(bench, campaign)
    assert before.expected_error_pct is None
    assert "4 of 5 undisturbed readings" in before.expected_error_source
    read_sentinel(bench, 1.58)
    measure(bench, 0)
    poor = look(bench, campaign)
    assert poor.verdict == "poor"
    (spread,) = poor.sentinels
    assert (spread.sentinel, spread.readings, spread.disturbed) == ("arithmetic", 6, 1)
    assert spread.spread_pct == pytest.approx(100 * 0.57 / 1.58)
    assert poor.expected_error_pct == pytest.approx(100 * 0.62 / 5 / 1.58)
    assert any("another core" in line for line in poor.advice)
    # The campaign has ended: readings since then are of others.
    read_sentinel(bench, 50.0, 60.0)
    assert look(bench, campaign).sentinels == poor.sentinels


def test_the_noise_floor_is_the_expected_error_once_it_is_known(bench: Bench) -> None:
    campaign = start(bench, blocks=0, networks=12, repeats=12)
    for session in ("first", "second"):
        for _ in range(2):
            measure(bench, 0, session)
            bench.clock.advance(100)
    known = look(bench, campaign)
    assert known.expected_error_pct == 0
    assert known.expected_error_source == "the noise floor, of 10 workloads"


def test_it_is_served(api: TestClient, bench: Bench) -> None:
    campaign = start(bench)
    measure(bench, 2)
    answer = api.get(f"/v1/campaigns/{campaign.id}/quality")
    assert answer.status_code == 200
    assert CampaignQuality.model_validate(answer.json()) == look(bench, campaign)
    missing = api.get(f"/v1/campaigns/campaign-{'0' * 24}/quality")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_an_unknown_campaign_has_none(bench: Bench) -> None:
    with pytest.raises(NotFound, match="campaign"):
        campaign_quality.quality(bench.ctx, "campaign-" + "0" * 24)
