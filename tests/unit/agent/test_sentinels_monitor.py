"""When the sentinels are checked, and with what result, on a simulated device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lpnet.schemas.device import TargetSpec
from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import Item
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.sentinels.health import MAX_INCONCLUSIVE, Health, Policy
from lpnet_agent.sentinels.monitor import SentinelMonitor
from lpnet_agent.sentinels.readings import read_sentinel
from lpnet_agent.sentinels.store import SentinelStore

POLICY = Policy(cool_s=10, max_cool_s=40, broken_after=3)
EVERY_S = 60.0


@dataclass
class Device:
    """Takes a second for any reading, and `slower` times as long as usual for its result."""

    busy_s: float = 0.0
    levels: ProbeLevels = UNKNOWN
    now: float = 0.0
    slower: float = 1.0
    disturbed: bool = False
    broken_by: Exception | None = None
    renewed: int = 0
    samples: list[Sample] = field(default_factory=list)

    def measure(
        self,
        item: Item,
        space_file: Path,
        should_continue: Callable[[], bool] | None = None,
        visits: int | None = None,
    ) -> Sample:
        assert visits is not None
        for _ in range(visits):
            if should_continue is not None and not should_continue():
                raise Interrupted("the agent is stopping")
        self.busy_s += 1
        self.now += 1
        if self.broken_by is not None:
            raise self.broken_by
        return Sample(
            kind=item.kind,
            workload=item.workload,
            latency_ms=(0.7 if item.sentinel == "arithmetic" else 5.0) * self.slower,
            disturbed=self.disturbed,
            session=str(self.renewed),
        )

    def renew(self) -> None:
        self.renewed += 1

    def work(self, seconds: float) -> None:
        self.busy_s += seconds
        self.now += seconds


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def monitor(device: Device, tmp_path: Path) -> Callable[[], SentinelMonitor]:
    """Creates the monitor of a process that has just started."""
    store = SentinelStore(tmp_path, TargetSpec(name="box"))

    def make() -> SentinelMonitor:
        return SentinelMonitor(
            device, store, POLICY, EVERY_S, device.samples.extend, lambda: device.now
        )

    return make


def settle(monitor: SentinelMonitor, device: Device) -> SentinelMonitor:
    while not monitor.health.settled:
        assert monitor.check()
        device.work(EVERY_S)
    assert monitor.check()
    return monitor


def test_it_is_due_at_the_start_and_then_by_time_spent_measuring(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    fresh = monitor()
    assert fresh.is_due()
    fresh.check()
    device.now += 1e6  # an idle device is left alone
    assert not fresh.is_due()
    device.work(EVERY_S / 4)
    assert fresh.is_due(), "the first readings come sooner"
    settled = settle(fresh, device)
    device.work(EVERY_S - 1)
    assert not settled.is_due()
    device.work(1)
    assert settled.is_due()


def test_where_nothing_comes_of_early_looks_they_become_rare(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    device.disturbed, fresh, checks = True, monitor(), 0
    while fresh.is_due():
        fresh.check()
        checks += 1
        device.work(EVERY_S / 4)
    assert checks == 10
    device.work(EVERY_S)
    assert fresh.is_due()
    device.disturbed = False
    settle(fresh, device)
    device.disturbed, device.slower = True, 1.5
    assert not fresh.check()
    device.work(EVERY_S / 4)
    assert fresh.is_due(), "after a good one they come sooner again"


def test_a_drift_is_confirmed_in_a_new_process(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower = 1.05
    before = device.renewed
    assert not settled.check()
    assert settled.health.state == "paused"
    assert device.renewed == before + 1
    sessions = [sample.session for sample in device.samples[-4:]]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]
    assert not settled.is_due()
    assert settled.wait_s() == POLICY.cool_s


def test_a_great_drift_is_broken_after_three_readings(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower, before = 1.5, device.renewed
    assert not settled.check()
    assert settled.health.state == "broken"
    assert device.renewed == before + 2


def test_it_cools_is_broken_and_recovers(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower = 1.05
    settled.check()
    for expected, pause in (("paused", 20), ("paused", 40), ("broken", 40)):
        assert not settled.is_due()
        device.now += settled.wait_s()
        assert settled.is_due()
        assert not settled.check()
        assert (settled.health.state, settled.wait_s()) == (expected, pause)
    device.slower = 1.0
    device.now += settled.wait_s()
    assert settled.check()
    assert settled.health.state == "ready"


def test_a_restart_forgets_neither_levels_nor_condition(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower = 1.5
    settled.check()
    again = monitor()
    assert again.health == settled.health
    assert again.is_due(), "the first look of a process is due at once"
    assert not again.check()
    assert again.health.state == "broken"


def test_a_clearing_makes_new_levels(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower = 1.5
    settled.check()
    settled.clear(7)
    assert (settled.health.state, settled.health.first_ms) == ("ready", {})
    assert settled.is_due()
    settle(settled, device)
    assert settled.health.level_ms("memory") == pytest.approx(7.5)
    assert monitor().cleared == 7


def test_a_suspicion_that_cannot_be_answered_is_not_a_drift(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower = 1.05

    def disturb() -> None:
        device.renewed += 1
        device.disturbed = True

    device.renew = disturb  # type: ignore[method-assign]
    assert not settled.check()
    assert settled.health.state == "ready"
    assert settled.health.suspected == 1
    device.work(EVERY_S / 4)
    assert settled.is_due(), "it is tried again soon"


def test_whoever_waits_for_a_check_is_called_all_through_it(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.slower, calls = 1.05, 0

    def should_continue() -> bool:
        nonlocal calls
        calls += 1
        return True

    before = len(device.samples)
    settled.check(should_continue)
    readings = len(device.samples) - before
    assert readings == 4, "a check, and another that confirms it"
    assert readings <= calls <= 3 * readings, "a reading has few visits, with a call before each"
    with pytest.raises(Interrupted):
        settled.check(lambda: False)


def test_it_is_known_when_the_device_was_last_found_as_it_was(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    fresh = monitor()
    assert fresh.good_at is None
    device.disturbed = True
    before = datetime.now(UTC)
    fresh.check()
    began = fresh.good_at
    assert began is not None, "nothing is known of before the first check"
    assert before <= began <= datetime.now(UTC)
    fresh.check()
    assert fresh.good_at == began
    device.disturbed = False
    settled = settle(fresh, device)
    good_at = settled.good_at
    assert good_at is not None
    assert good_at > began
    device.slower = 1.05
    settled.check()
    assert settled.health.state == "paused"
    assert settled.good_at == good_at
    assert monitor().good_at == good_at, "a restart does not forget it"
    settled.clear(1)
    assert settled.good_at is None


def test_a_target_whose_checks_stay_disturbed_is_paused_until_one_is_not(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    device.disturbed, device.slower = True, 1.5
    for _ in range(MAX_INCONCLUSIVE):
        assert settled.health.state == "ready"
        assert not settled.check()
    assert settled.health.state == "paused"
    assert not settled.health.drifted
    assert settled.wait_s() == POLICY.cool_s
    assert not settled.check()
    assert settled.wait_s() == POLICY.cool_s, "nothing has to cool down"
    device.slower = 1.0
    assert settled.check(), "disturbed, and not slower nevertheless"
    assert settled.health == Health(first_ms=settled.health.first_ms), "ready, and all forgotten"


def test_every_reading_is_passed_on(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    device.disturbed = True
    fresh = monitor()
    assert not fresh.check()
    assert len(device.samples) == 2
    assert {sample.sentinel for sample in device.samples} == {"arithmetic", "memory"}
    assert fresh.health.first_ms == {}
    device.work(EVERY_S / 4)
    assert fresh.is_due(), "what proved nothing is tried again soon"


@pytest.mark.parametrize("sentinel", ["arithmetic", "memory"])
def test_a_reading_that_fails_is_no_reading(device: Device, sentinel: Sentinel) -> None:
    device.broken_by = MeasureFailed("out of memory")
    assert read_sentinel(device, sentinel) is None


def test_an_end_in_the_middle_concludes_nothing(
    device: Device, monitor: Callable[[], SentinelMonitor]
) -> None:
    settled = settle(monitor(), device)
    before, samples = settled.health, len(device.samples)
    device.broken_by = Interrupted("the agent is stopping")
    with pytest.raises(Interrupted):
        settled.check()
    assert settled.health == before
    assert len(device.samples) == samples
