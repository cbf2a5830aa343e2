"""A real agent whose sentinels were edited: it pauses, is broken, is cleared, and goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lpnet.schemas.condition import LEVEL_READINGS, SentinelHistory
from lpnet.schemas.device import Target
from lpnet.space.space import Space
from lpnet_agent.owner.pause import Pause, PauseFile
from lpnet_agent.sentinels.health import SENTINELS
from lpnet_agent.sentinels.store import FILE, Kept

# Of conftest.py.
Pair = Any

# A check every few workloads; re-checks and reports as quick as they can be waited for.
QUICK = {
    "LPNET_AGENT_SENTINEL_S": "0.1",
    "LPNET_AGENT_NETWORK_S": "0.2",
    "LPNET_AGENT_COOL_S": "0.2",
    "LPNET_AGENT_COOL_MOST_S": "0.4",
    "LPNET_AGENT_CONDITION_S": "0.2",
    "LPNET_AGENT_BROKEN_AFTER": "2",
}


def kept(pair: Pair) -> Kept:
    return Kept.model_validate_json((pair.state / FILE).read_bytes())


def state(pair: Pair) -> tuple[str, str]:
    target: Target = pair.target()
    return target.state, target.state_reason or ""


def history(pair: Pair) -> SentinelHistory:
    path = f"/v1/targets/{pair.target().name}/sentinels"
    return SentinelHistory.model_validate(pair.http.get(path, params={"limit": 500}))


def settle(pair: Pair, space: Space, blocks: int = 1) -> None:
    """An agent that knows its sentinels, and has ended."""
    pair.start_service()
    pair.start_agent(**QUICK)
    assert pair.done(pair.ask(space, blocks=blocks, networks=0, repeats=0)).measured == blocks
    assert pair.end_agent() == 0
    assert set(kept(pair).health.first_ms) == set(SENTINELS)


def edit(pair: Pair, factor: float) -> None:
    """As if the device had been so many times as slow when the epoch began."""
    before = kept(pair)
    first = {
        name: (factor * found[0],) * LEVEL_READINGS
        for name, found in before.health.first_ms.items()
    }
    health = before.health.model_copy(update={"first_ms": first})
    after = before.model_copy(update={"health": health})
    (pair.state / FILE).write_text(after.model_dump_json())


def test_readings_and_levels_are_told(pair: Pair, space: Space) -> None:
    settle(pair, space, blocks=16)
    assert kept(pair).health.settled
    told = history(pair)
    assert set(told.level_ms) == set(SENTINELS)
    for name in SENTINELS:
        assert told.level_ms[name] == pytest.approx(kept(pair).health.level_ms(name))
    assert {reading.sentinel for reading in told.items} == set(SENTINELS)


def test_a_drift_pauses_breaks_is_cleared_and_the_campaign_ends(pair: Pair, space: Space) -> None:
    settle(pair, space)
    name, epoch = pair.target().name, pair.target().epoch
    levels = history(pair).level_ms
    edit(pair, 0.1)
    before = pair.log()
    campaign = pair.ask(space, blocks=4, networks=0, repeats=0)
    pair.start_agent(**QUICK)
    pair.until(lambda: state(pair)[0] == "broken", "the target is broken")
    assert "slower than the level of this epoch" in state(pair)[1]
    assert "did not come back in 2 re-checks" in state(pair)[1]
    since = pair.log()[len(before) :]
    assert "state=paused" in since, "it was paused first"
    assert "job=" not in since, "it asked for no work"
    assert pair.campaign(campaign).measured == 0

    cleared = Target.model_validate(pair.http.post(f"/v1/targets/{name}/clear"))
    assert cleared.epoch == epoch + 1
    done = pair.done(campaign)
    assert (done.state, done.measured, done.failed) == ("done", 4, 0)
    assert state(pair)[0] == "idle"
    assert (kept(pair).cleared, kept(pair).health.state) == (1, "ready")
    assert {sample.epoch for sample in pair.samples()[-4:]} == {epoch + 1}
    # Levels of the new epoch are what the device takes, not what the file claimed.
    pair.until(lambda: set(history(pair).level_ms) == set(SENTINELS), "new levels are told")
    for sentinel in SENTINELS:
        assert history(pair).level_ms[sentinel] > 3 * 0.1 * levels[sentinel]


def test_a_great_drift_is_broken_at_once_and_an_end_does_not_wait(
    pair: Pair, space: Space
) -> None:
    settle(pair, space)
    edit(pair, 0.1)
    slow = {"LPNET_AGENT_BROKEN_PCT": "300", "LPNET_AGENT_COOL_MOST_S": "3600"}
    pair.start_agent(**QUICK | slow)
    pair.until(lambda: state(pair)[0] == "broken", "the target is broken")
    assert "re-checks" not in state(pair)[1]
    assert pair.end_agent(within_s=5) == 0
    assert kept(pair).health.state == "broken", "the next agent knows"


def test_it_recovers_by_itself(pair: Pair, space: Space) -> None:
    settle(pair, space)
    edit(pair, 1)
    broken = kept(pair).health.model_copy(
        update={"state": "broken", "reason": "sentinel memory was slow", "failed": 9}
    )
    text = kept(pair).model_copy(update={"health": broken}).model_dump_json()
    (pair.state / FILE).write_text(text)
    campaign = pair.ask(space, blocks=4, networks=0, repeats=0)
    pair.start_agent(**QUICK)
    assert pair.done(campaign).measured == 4
    assert kept(pair).health.state == "ready"
    assert pair.target().epoch == 1, "the conditions are those of before"


def test_another_target_spec_has_new_levels(pair: Pair, space: Space) -> None:
    settle(pair, space)
    edit(pair, 0.1)
    content = json.loads((pair.state / FILE).read_text())
    content["target"]["runtime_version"] = "0.1"
    (pair.state / FILE).write_text(json.dumps(content))
    campaign = pair.ask(space, blocks=3, networks=0, repeats=0)
    pair.start_agent(**QUICK)
    assert pair.done(campaign).measured == 3


def test_a_pause_by_the_owner_postpones_the_job_in_hand(pair: Pair, space: Space) -> None:
    pair.start_service()
    pair.start_agent(LPNET_AGENT_BLOCK_S="0.5", LPNET_AGENT_CONDITION_S="0.2")
    campaign = pair.ask(space, blocks=12, networks=0, repeats=0)
    pause = PauseFile(pair.state)
    # Oftener than a job may fail: a job that is postponed has not been tried.
    for count in range(1, 5):
        pair.until(lambda n=count: pair.log().count("job=") >= n, "a job begins")
        pause.write(Pause(reason="backups run"))
        pair.until(lambda: state(pair)[0] == "paused", "the target is paused")
        assert state(pair)[1] == "paused by its owner: backups run"
        pause.remove()
    done = pair.done(campaign)
    assert (done.measured, done.failed) == (12, 0)
    assert pair.end_agent() == 0
