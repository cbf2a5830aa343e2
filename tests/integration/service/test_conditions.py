"""Conditions of targets: reported, shown, cleared; and the history of their sentinels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.campaign import Campaign, Completion, JobFailure, Lease, NewCampaign
from lpnet.schemas.condition import LEVEL_READINGS, Condition, ConditionReport, ConditionResponse
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import Sample, SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.errors import BadRequest, Conflict, NoSamples, NotFound
from lpnet_service.services.learning import trainings
from lpnet_service.services.measuring import campaigns, conditions, ingest, leasing
from lpnet_service.services.reading import samples, sentinels
from lpnet_service.services.shared import targets

Bench = Any
Register = Callable[..., str]
OPS = {"ops": [{"type": "linear", "c_in": 64, "c_out": 64}]}


def say(
    bench: Bench, state: Condition, reason: str | None = None, *, cleared: int = 0
) -> ConditionResponse:
    condition = ConditionReport(target=bench.target, state=state, reason=reason, cleared=cleared)
    return conditions.report(bench.ctx, bench.agent, condition)


def look(bench: Bench) -> Any:
    return targets.get_target(bench.ctx, bench.target)


def start(bench: Bench) -> Campaign:
    new = NewCampaign(
        target=bench.target, space=bench.space.hash, blocks=3, networks=0, pruned=0, repeats=0
    )
    return campaigns.create(bench.ctx, new)


def take(bench: Bench) -> Lease | None:
    return leasing.claim(bench.ctx, bench.agent, [bench.target])


@pytest.fixture
def http(bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(bench.ctx), raise_server_exceptions=False) as client:
        yield client


def test_a_state_has_a_reason_and_says_since_when(bench: Bench) -> None:
    began = bench.clock.now()
    assert (look(bench).state, look(bench).state_reason) == ("idle", "no jobs are waiting")
    say(bench, "paused", "quiet hours until 07:00")
    bench.clock.advance(10)
    say(bench, "paused", "quiet hours until 08:00")
    target = look(bench)
    assert (target.state, target.state_reason) == ("paused", "quiet hours until 08:00")
    assert target.state_since == began
    say(bench, "broken", "the arithmetic sentinel is 14% above its level")
    assert (look(bench).state, look(bench).state_since) == ("broken", bench.clock.now())
    say(bench, "ready")
    start(bench)
    assert (look(bench).state, look(bench).state_reason) == (
        "idle",
        "a job waits for its agent to ask for work",
    )
    bench.clock.advance(5)
    assert take(bench) is not None
    bench.clock.advance(5)
    target = look(bench)
    assert (target.state, target.state_reason) == ("measuring", "its agent is working on a job")
    assert (bench.clock.now() - target.state_since).total_seconds() == 5


def test_the_gravest_state_is_shown(bench: Bench) -> None:
    start(bench)
    assert take(bench) is not None
    say(bench, "paused", "battery")
    assert look(bench).state == "paused"
    say(bench, "broken", "drift")
    assert look(bench).state == "broken"
    spoke = bench.clock.now()
    bench.clock.advance(91)
    assert (look(bench).state, look(bench).state_since) == ("offline", spoke)


@pytest.mark.parametrize("state", ["paused", "broken"])
def test_a_target_that_is_not_ready_is_given_no_job(bench: Bench, state: Condition) -> None:
    campaign = start(bench)
    say(bench, state, "too hot: 91 deg C")
    assert take(bench) is None
    waiting = campaigns.get(bench.ctx, campaign.id).waiting
    assert waiting == f"its target is {state}: too hot: 91 deg C"
    assert campaigns.page(bench.ctx, limit=1).items[0].waiting == waiting
    say(bench, "ready")
    assert campaigns.get(bench.ctx, campaign.id).waiting is None
    assert take(bench) is not None


def test_a_target_that_its_agent_no_longer_measures_is_offline(
    bench: Bench, register: Register
) -> None:
    campaign = start(bench)
    register("desk", TargetSpec(name="desk-two"))
    reason = "the agent of its device does not measure it any more"
    assert (look(bench).state, look(bench).state_reason) == ("offline", reason)
    assert campaigns.get(bench.ctx, campaign.id).waiting == f"its target is offline: {reason}"
    register("desk", TargetSpec(name=bench.target, runtime="onnxruntime", threads=1))
    assert look(bench).state == "idle"
    assert campaigns.get(bench.ctx, campaign.id).waiting is None


def test_other_targets_of_a_paused_ones_agent_are_worked_on(
    bench: Bench, register: Register
) -> None:
    spec = TargetSpec(name=bench.target, runtime="onnxruntime", threads=1)
    agent = register("desk", spec, TargetSpec(name="desk-two"))
    say(bench, "paused", "battery")
    new = NewCampaign(
        target="desk-two", space=bench.space.hash, blocks=1, networks=0, pruned=0, repeats=0
    )
    campaigns.create(bench.ctx, new)
    start(bench)
    lease = leasing.claim(bench.ctx, agent, [bench.target, "desk-two"])
    assert lease is not None
    assert lease.target == "desk-two"
    assert leasing.claim(bench.ctx, agent, [bench.target, "desk-two"]) is None


def test_a_job_that_is_postponed_is_offered_for_ever(bench: Bench) -> None:
    campaign = start(bench)
    for _ in range(10):
        lease = take(bench)
        assert lease is not None
        bench.fail(lease.token, JobFailure(reason="quiet hours", postponed=True))
        bench.clock.advance(3)
    assert campaigns.get(bench.ctx, campaign.id).state == "running"
    for _ in range(3):
        lease = take(bench)
        assert lease is not None
        bench.fail(lease.token, JobFailure(reason="no runtime"))
        bench.clock.advance(30)
    assert campaigns.get(bench.ctx, campaign.id).failures == ("3 x no runtime",)


def test_a_campaign_that_is_over_waits_for_nothing(bench: Bench) -> None:
    campaign = start(bench)
    say(bench, "paused", "battery")
    assert campaigns.cancel(bench.ctx, campaign.id).waiting is None


def test_a_campaign_says_that_its_agent_is_silent(bench: Bench) -> None:
    campaign = start(bench)
    bench.clock.advance(120)
    waiting = campaigns.get(bench.ctx, campaign.id).waiting
    assert waiting == "its target is offline: its agent has been silent for 2 min"


def test_clearing_opens_an_epoch_and_the_agent_hears_of_it(bench: Bench) -> None:
    store(bench, check("memory", 1.0))
    assert say(bench, "broken", "drift").model_dump() == {"cleared": 0, "epoch": 1}
    target = conditions.clear(bench.ctx, bench.target)
    assert (target.state, target.epoch, target.cleared) == ("idle", 2, 1)
    assert sentinels.history(bench.ctx, bench.target, 9).level_ms == {}
    # It still judges by the old level, and does not know better.
    heard = say(bench, "broken", "drift")
    assert heard.model_dump() == {"cleared": 1, "epoch": 2}
    assert look(bench).state == "idle"
    say(bench, "broken", "drift again", cleared=1)
    assert (look(bench).state, look(bench).state_reason) == ("broken", "drift again")


def test_an_agent_that_knows_of_more_clearings_is_believed(bench: Bench) -> None:
    """It comes from another database; a clearing in this one has to be news to it."""
    assert say(bench, "broken", "drift", cleared=7).cleared == 7
    assert look(bench).state == "broken"
    assert conditions.clear(bench.ctx, bench.target).cleared == 8


def test_what_is_neither_paused_nor_broken_is_not_cleared(bench: Bench, http: TestClient) -> None:
    with pytest.raises(Conflict, match="neither paused nor broken"):
        conditions.clear(bench.ctx, bench.target)
    with pytest.raises(NotFound):
        conditions.clear(bench.ctx, "nobody")
    assert http.post(f"/v1/targets/{bench.target}/clear").status_code == 409
    condition = {"target": bench.target, "state": "paused", "reason": "battery", "cause": "owner"}
    answer = http.post(f"/v1/agents/{bench.agent}/condition", json=condition)
    assert answer.json() == {"cleared": 0, "epoch": 1}
    refused = http.post(f"/v1/targets/{bench.target}/clear")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    condition |= {"cause": "sentinel", "reason": "drift", "since": "2026-01-31T11:00:00Z"}
    http.post(f"/v1/agents/{bench.agent}/condition", json=condition)
    assert http.post(f"/v1/targets/{bench.target}/clear").json()["state"] == "idle"


def test_an_agent_speaks_for_its_own_targets(bench: Bench, register: Register) -> None:
    other = register("other", TargetSpec(name="other-cpu"))
    condition = ConditionReport(target=bench.target, state="broken", reason="spite")
    with pytest.raises(BadRequest) as caught:
        conditions.report(bench.ctx, other, condition)
    assert caught.value.errors[0].field == "target"
    with pytest.raises(NotFound):
        conditions.report(bench.ctx, "agent-" + "0" * 24, condition)
    assert look(bench).state == "idle"


def check(sentinel: str, ms: float, **fields: Any) -> Sample:
    """A reading of a sentinel."""
    fields_ = {"kind": "network", "workload": OPS, "latency_ms": ms, "sentinel": sentinel}
    return Sample.model_validate(fields_ | fields)


def store(bench: Bench, *samples: Sample) -> None:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


def minute(number: int) -> str:
    return f"2026-01-31T10:{number:02}:00Z"


def test_drift_is_against_the_level_of_the_readings_own_epoch(bench: Bench) -> None:
    # Stored in another order than they were taken in.
    taken = [1.00, 1.02, 0.98, 1.01, 0.99, 1.05, 0.90]
    samples = [check("arithmetic", ms, measured_at=minute(i)) for i, ms in enumerate(taken)]
    spoilt = check("arithmetic", 3.0, measured_at=minute(2), disturbed=True, session="s")
    store(bench, *reversed(samples), spoilt)
    store(bench, check("memory", 4.0, measured_at=minute(30)))
    say(bench, "broken", "drift")
    conditions.clear(bench.ctx, bench.target)
    store(bench, check("arithmetic", 2.0, measured_at=bench.clock.now()))
    history = sentinels.history(bench.ctx, bench.target, 100)
    assert history.level_ms == {"arithmetic": 2.0}
    assert [(reading.epoch, reading.sentinel) for reading in history.items[:3]] == [
        (2, "arithmetic"),
        (1, "memory"),
        (1, "arithmetic"),
    ]
    old = [
        reading
        for reading in history.items
        if reading.epoch == 1 and reading.sentinel == "arithmetic"
    ]
    assert [reading.measured_at for reading in old] == sorted(
        (o.measured_at for o in old), reverse=True
    )
    drifts = [reading.drift_pct for reading in old if not reading.disturbed]
    assert drifts[:2] == pytest.approx([-10.0, 5.0])
    assert drifts[2:] == [None] * LEVEL_READINGS
    (wrong,) = [reading for reading in old if reading.disturbed]
    assert wrong.session == "s"
    assert wrong.drift_pct == pytest.approx(200.0)


def test_a_short_history_still_knows_the_level(bench: Bench) -> None:
    store(bench, *(check("memory", 1.0 + i, measured_at=minute(i)) for i in range(8)))
    (newest,) = sentinels.history(bench.ctx, bench.target, 1).items
    assert newest.latency_ms == 8.0
    assert newest.drift_pct == pytest.approx(100 * (8.0 / 3.0 - 1))


def test_a_history_is_of_one_target(bench: Bench, http: TestClient) -> None:
    batch = SampleBatch(target="table", samples=(check("memory", 1.0),))
    ingest.store(bench.ctx, batch, create=True)
    assert sentinels.history(bench.ctx, bench.target, 9).items == ()
    answer = http.get("/v1/targets/table/sentinels", params={"limit": 5}).json()
    assert [item["latency_ms"] for item in answer["items"]] == [1.0]
    assert answer["level_ms"] == {"memory": 1.0}
    assert http.get("/v1/targets/nobody/sentinels").status_code == 404


def test_sentinels_count_as_no_sample_and_are_kept_all_the_same(bench: Bench) -> None:
    many = [check("memory", 1.0 + i / 10, session=f"s{i}") for i in range(6)]
    store(bench, *many, bench.sample(2.0))
    target = look(bench)
    assert (target.samples, target.noise_floor_pct) == (1, None)
    assert target.noise_floor_reason == (
        "0 of 10 workloads were measured again in another session, at least a minute later"
    )
    text = "".join(samples.export(bench.ctx, bench.target, "jsonl"))
    again = [Sample.model_validate_json(line) for line in text.splitlines()]
    assert [item.sentinel for item in again] == ["memory"] * 6 + [None]
    ingest.store(bench.ctx, SampleBatch(target="copy", samples=tuple(again)), create=True)
    assert targets.get_target(bench.ctx, "copy").samples == 1
    assert len(sentinels.history(bench.ctx, "copy", 9).items) == 6


def test_a_target_of_sentinels_alone_has_nothing_to_train_on(bench: Bench) -> None:
    store(bench, check("memory", 1.0), check("arithmetic", 1.0))
    with pytest.raises(NoSamples):
        trainings.start(bench.ctx, bench.target, NewTraining())


def test_a_sentinel_that_comes_with_a_job_is_none_of_its_campaigns_samples(bench: Bench) -> None:
    campaign = start(bench)
    lease = take(bench)
    assert lease is not None
    bench.complete(lease.token, Completion(samples=(check("memory", 1.0),)))
    page = samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=9)
    assert page.items == ()
    assert campaigns.get(bench.ctx, campaign.id).measured == 0


def test_disturbed_samples_are_listed_with_their_reasons(bench: Bench, http: TestClient) -> None:
    store(bench, bench.sample(1.0), bench.sample(9.0, disturbed=True, reasons=("steal 12%",)))
    for flag, latency in ((True, 9.0), (False, 1.0)):
        params = {"disturbed": flag}
        table = http.get(f"/v1/targets/{bench.target}/table", params=params).json()
        listed = http.get("/v1/samples", params=params).json()
        assert [row["latency_ms"] for row in table["items"]] == [latency]
        assert [row["latency_ms"] for row in listed["items"]] == [latency]
        assert table["items"][0]["reasons"] == (["steal 12%"] if flag else [])
    assert len(http.get(f"/v1/targets/{bench.target}/table").json()["items"]) == 2
