"""A real agent whose sentinels were edited: it pauses, is broken, is cleared, and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from tests.harness.processes import Running
from tests.harness.simulation import simulated_device
from tests.harness.site import Site

from lpnet.schemas.condition import LEVEL_READINGS, SentinelHistory
from lpnet.schemas.device import Target
from lpnet_agent.owner.pause import Pause, PauseFile
from lpnet_agent.sentinels.health import SENTINELS
from lpnet_agent.sentinels.store import FILE, SentinelState

# A check every few workloads; re-checks and reports as quick as they can be waited for.
QUICK = {
    "LPNET_AGENT_SENTINEL_S": "0.1",
    "LPNET_AGENT_NETWORK_S": "0.2",
    "LPNET_AGENT_DRIFT_PCT": "95",
    "LPNET_AGENT_BROKEN_PCT": "1e9",
    "LPNET_AGENT_COOL_S": "0.2",
    "LPNET_AGENT_COOL_MOST_S": "0.4",
    "LPNET_AGENT_CONDITION_S": "0.2",
    "LPNET_AGENT_BROKEN_AFTER": "2",
}


@pytest.fixture
def simulated() -> Iterator[None]:
    """Readings of a device that nothing disturbs."""
    with simulated_device():
        yield


def kept(site: Site) -> SentinelState:
    return SentinelState.model_validate_json((site.state.path / FILE).read_bytes())


def state(site: Site) -> tuple[str, str]:
    target: Target = site.target()
    return target.state, target.state_reason or ""


def history(site: Site) -> SentinelHistory:
    path = f"/v1/targets/{site.target().name}/sentinels"
    return SentinelHistory.model_validate(site.http.get(path, params={"limit": 500}))


def knows(site: Site) -> bool:
    return set(kept(site).health.first_ms) == set(SENTINELS)


def settle(site: Site, enough: Callable[[Site], bool] = knows) -> Running:
    """An agent that has read its sentinels undisturbed often enough, and has ended."""
    site.serve()
    agent = site.start_agent(environment=QUICK)
    for _ in range(60):
        assert len(site.complete(site.ask(blocks=2))) == 2
        if enough(site):
            break
    assert agent.end() == 0
    assert enough(site)
    return agent


def edit(site: Site, factor: float) -> None:
    """Multiply the levels, as if the device had been slower when the epoch began."""
    before = kept(site)
    first = {
        name: (factor * readings[0],) * LEVEL_READINGS
        for name, readings in before.health.first_ms.items()
    }
    health = before.health.model_copy(update={"first_ms": first})
    after = before.model_copy(update={"health": health})
    (site.state.path / FILE).write_text(after.model_dump_json())


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_readings_and_levels_are_reported(site: Site) -> None:
    settle(site, lambda site: kept(site).health.settled)
    reported = history(site)
    assert set(reported.level_ms) == set(SENTINELS)
    for name in SENTINELS:
        assert reported.level_ms[name] == pytest.approx(kept(site).health.level_ms(name))
    assert {reading.sentinel for reading in reported.items} == set(SENTINELS)


@pytest.mark.usefixtures("simulated")
def test_a_drift_pauses_breaks_is_cleared_and_the_campaign_ends(site: Site) -> None:
    first = settle(site)
    name, epoch = site.target().name, site.target().epoch
    levels = history(site).level_ms
    edit(site, 100)
    before = first.said
    campaign = site.ask(blocks=4)
    second = site.start_agent(environment=QUICK)
    site.until(lambda: state(site)[0] == "broken", "the target is broken", second)
    assert "faster than the level of this epoch" in state(site)[1]
    assert "did not recover in 2 re-checks" in state(site)[1]
    since = second.said[len(before) :]
    assert "state=paused" in since, "it was paused first"
    assert "job=" not in since, "it asked for no work"
    assert site.campaign(campaign).measured == 0

    cleared = Target.model_validate(site.http.post(f"/v1/targets/{name}/clear"))
    assert cleared.epoch == epoch + 1
    samples = site.complete(campaign)
    assert len(samples) == 4
    assert {sample.epoch for sample in samples} == {epoch + 1}
    site.until(lambda: state(site)[0] == "idle", "the target waits for work", second)
    assert (kept(site).cleared, kept(site).health.state) == (1, "ready")
    # Levels of the new epoch are what the device takes, not what the file claimed.
    site.until(lambda: set(history(site).level_ms) == set(SENTINELS), "new levels are told")
    for sentinel in SENTINELS:
        assert history(site).level_ms[sentinel] < 30 * levels[sentinel]


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_a_great_drift_is_broken_at_once_and_an_end_does_not_wait(site: Site) -> None:
    settle(site)
    edit(site, 100)
    slow = {"LPNET_AGENT_BROKEN_PCT": "97", "LPNET_AGENT_COOL_MOST_S": "3600"}
    agent = site.start_agent(environment=QUICK | slow)
    site.until(lambda: state(site)[0] == "broken", "the target is broken", agent)
    assert "re-checks" not in state(site)[1]
    assert agent.end() == 0
    assert kept(site).health.state == "broken", "the next agent knows"


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_it_recovers_by_itself(site: Site) -> None:
    settle(site)
    edit(site, 1)
    broken = kept(site).health.model_copy(
        update={"state": "broken", "reason": "sentinel memory was slow", "failed": 9}
    )
    text = kept(site).model_copy(update={"health": broken}).model_dump_json()
    (site.state.path / FILE).write_text(text)
    campaign = site.ask(blocks=4)
    site.start_agent(environment=QUICK)
    assert len(site.complete(campaign)) == 4
    assert kept(site).health.state == "ready"
    assert site.target().epoch == 1, "the conditions are those of before"


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_another_target_spec_has_new_levels(site: Site) -> None:
    settle(site)
    edit(site, 100)
    content = json.loads((site.state.path / FILE).read_text())
    content["target"]["runtime_version"] = "0.1"
    (site.state.path / FILE).write_text(json.dumps(content))
    campaign = site.ask(blocks=3)
    site.start_agent(environment=QUICK)
    assert len(site.complete(campaign)) == 3


def test_a_pause_by_the_owner_postpones_the_job_in_hand(site: Site) -> None:
    site.serve()
    agent = site.start_agent(LPNET_AGENT_BLOCK_S="0.5", LPNET_AGENT_CONDITION_S="0.2")
    campaign = site.ask(blocks=12)
    pause = PauseFile(site.state.path)
    # Oftener than a job may fail: a job that is postponed has not been tried.
    for count in range(1, 5):
        site.until(partial(_has_begun, agent, count), "a job begins", agent)
        pause.write(Pause(reason="backups run"))
        site.until(lambda: state(site)[0] == "paused", "the target is paused", agent)
        assert state(site)[1] == "paused by its owner: backups run"
        pause.remove()
    assert len(site.complete(campaign)) == 12
    assert agent.end() == 0


def _has_begun(agent: Running, jobs: int) -> bool:
    return agent.said.count("job=") >= jobs
