"""Devices, agents and targets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.campaign import NewCampaign
from lpnet.schemas.device import Registration, TargetSpec
from lpnet.schemas.noise import TargetNoise
from lpnet.schemas.sample import SampleBatch
from lpnet_service.errors import NameTaken, NotFound
from lpnet_service.services.measuring import agents, campaigns, ingest, leasing
from lpnet_service.services.shared import targets

Bench = Any
Register = Callable[..., str]
# Too soon for sessions to count as apart.
SOON = timedelta(seconds=59)


def store(bench: Bench, *samples: Any) -> None:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))


def test_registering_again_changes_nothing_and_gives_the_same_agent(bench: Bench) -> None:
    before = targets.get_target(bench.ctx, bench.target)
    again = Registration(
        device="desk",
        facts=targets.list_devices(bench.ctx)[0].facts,
        targets=(before.spec,),
        agent_version="1",
    )
    assert agents.register(bench.ctx, again).agent == bench.agent
    assert targets.get_target(bench.ctx, bench.target) == before


def test_a_target_under_other_conditions_opens_an_epoch(bench: Bench, register: Register) -> None:
    store(bench, bench.sample())
    assert targets.get_target(bench.ctx, bench.target).samples == 1
    register("desk", TargetSpec(name=bench.target, runtime="onnxruntime", threads=2))
    after = targets.get_target(bench.ctx, bench.target)
    assert (after.epoch, after.samples, after.spec.threads) == (2, 0, 2)


def test_a_target_belongs_to_one_device(bench: Bench, register: Register) -> None:
    with pytest.raises(NameTaken, match="device 'desk'"):
        register("other", TargetSpec(name=bench.target))
    assert [device.name for device in targets.list_devices(bench.ctx)] == ["desk"]
    ingest.store(bench.ctx, SampleBatch(target="table", samples=(bench.sample(),)), create=True)
    with pytest.raises(NameTaken, match="an import"):
        register("other", TargetSpec(name="table"))


def test_two_machines_are_not_one_device(bench: Bench, register: Register) -> None:
    spec = TargetSpec(name="twin-cpu")
    first = register("twin", spec, machine="machine-1")
    assert register("twin", spec, machine="machine-1") == first
    with pytest.raises(NameTaken, match=r"'twin' is registered for another machine.*--device"):
        register("twin", spec, machine="machine-2")
    assert register("twin", spec) == first
    with pytest.raises(NameTaken, match="another machine"):
        register("twin", spec, machine="machine-2")
    register("other-twin", TargetSpec(name="other-cpu"), machine="machine-2")
    assert {device.name for device in targets.list_devices(bench.ctx)} == {
        "desk",
        "twin",
        "other-twin",
    }


def test_a_device_without_a_machine_takes_the_first_that_comes(
    bench: Bench, register: Register
) -> None:
    spec = TargetSpec(name=bench.target, runtime="onnxruntime", threads=1)
    assert register("desk", spec, machine="machine-1") == bench.agent
    with pytest.raises(NameTaken, match="another machine"):
        register("desk", spec, machine="machine-2")


def test_a_state_says_what_goes_on(bench: Bench) -> None:
    def state() -> str:
        return targets.get_target(bench.ctx, bench.target).state

    assert state() == "idle"
    new = NewCampaign(target=bench.target, space=bench.space.hash, blocks=1, networks=0, pruned=0)
    campaigns.create(bench.ctx, new)
    assert leasing.claim(bench.ctx, bench.agent, [bench.target]) is not None
    assert state() == "measuring"
    bench.clock.advance(100)
    assert state() == "offline"
    assert "silent for 100 s" in str(targets.get_target(bench.ctx, bench.target).state_reason)
    bench.clock.advance(100)
    leasing.check_agent(bench.ctx, bench.agent, [bench.target])
    assert state() == "idle"


def test_the_noise_floor_is_of_workloads_measured_in_two_sessions(bench: Bench) -> None:
    start = bench.clock.now()
    later = start + timedelta(minutes=5)

    def noise() -> TargetNoise:
        (floor,) = targets.list_noise(bench.ctx)
        (target,) = targets.list_targets(bench.ctx)
        assert (target.noise_floor_pct, target.noise_floor_reason) == (floor.pct, floor.reason)
        return floor

    for count in range(10):
        floor = noise()
        assert (floor.workloads, floor.pct, floor.low_pct, floor.high_pct) == (count, *[None] * 3)
        assert str(floor.reason).startswith(f"{count} of 10 workloads")
        workload = bench.workload(stem=count + 1)
        again = 1 + count / 100
        store(
            bench,
            bench.sample(1.0, workload=workload, session="a", measured_at=start),
            bench.sample(again, workload=workload, session="b", measured_at=later),
            bench.sample(9.0, workload=workload, session="c", measured_at=start + SOON),
            bench.sample(9.0, workload=workload, session="d", disturbed=True, measured_at=later),
            bench.sample(9.0, workload=workload, session="e", sentinel="memory"),
            bench.sample(9.0, workload=workload, measured_at=later),
        )
    floor = noise()
    # Session c is apart from b and not from a, so two pairs count.
    spreads = [(spread(1.0, 1 + n / 100) + spread(9.0, 1 + n / 100)) / 2 for n in range(10)]
    assert floor.workloads == floor.needed == 10
    assert floor.pct == pytest.approx(100 * median(spreads))
    assert floor.reason is None
    low, high = floor.low_pct, floor.high_pct
    assert low is not None
    assert high is not None
    assert low < 100 * median(spreads) < high


def test_sessions_within_a_minute_say_nothing_of_the_noise(bench: Bench) -> None:
    start = bench.clock.now()
    for stem in range(1, 12):
        samples = [
            bench.sample(
                1.0, workload=bench.workload(stem=stem), session=name, measured_at=start + offset
            )
            for name, offset in (("a", timedelta(0)), ("b", SOON))
        ]
        store(bench, *samples)
    (floor,) = targets.list_noise(bench.ctx)
    assert (floor.workloads, floor.pct) == (0, None)


def test_noise_floors_are_read_over_http(api: TestClient, bench: Bench) -> None:
    (item,) = api.get("/v1/noise-floors").json()["items"]
    assert (item["target"], item["workloads"], item["needed"]) == (bench.target, 0, 10)
    assert (item["pct"], item["apart_s"]) == (None, 60)


def spread(a: float, b: float) -> float:
    return abs(a - b) / ((a + b) / 2)


def test_an_unknown_target_is_not_there(bench: Bench) -> None:
    with pytest.raises(NotFound, match="target 'nobody'"):
        targets.get_target(bench.ctx, "nobody")
