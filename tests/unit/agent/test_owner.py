"""What an owner allows: pauses, limits, and how they are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet_agent.errors import SetupError
from lpnet_agent.owner.hysteresis import Hysteresis
from lpnet_agent.owner.limits import Limits, limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.owner.pause import Pause, PauseFile, next_time_of_day, time_after
from lpnet_agent.owner.time_budget import WINDOW_S, TimeBudget
from lpnet_agent.settings import Settings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Device:
    """Files below a root as a device has them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, content: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")

    def heat(self, celsius: float) -> None:
        self.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal")
        self.put("sys/class/thermal/thermal_zone0/temp", round(celsius * 1000))

    def battery(self, percent: int, status: str) -> None:
        for name, value in (("type", "Battery"), ("capacity", percent), ("status", status)):
            self.put(f"sys/class/power_supply/BAT0/{name}", value)

    def runnable(self, count: int) -> None:
        self.put("proc/loadavg", f"0.50 0.40 0.30 {count}/312 4711")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "root")


@pytest.fixture
def owner(device: Device, tmp_path: Path) -> Callable[[Limits], OwnerRules]:
    return lambda limits: OwnerRules(limits, tmp_path / "state", device.root)


def reason(owner: OwnerRules, now: datetime = NOW) -> str | None:
    refusal = owner.refusal(now)
    assert refusal is None or refusal.retry_s > 0
    return None if refusal is None else refusal.reason


# --- pauses


def test_a_pause_holds_until_it_is_over(
    owner: Callable[[Limits], OwnerRules], tmp_path: Path
) -> None:
    asked = owner(Limits())
    assert reason(asked) is None
    file = PauseFile(tmp_path / "state")
    file.write(Pause(until=NOW + timedelta(hours=2), reason="backups run"))
    end = (NOW + timedelta(hours=2)).astimezone().strftime("%H:%M")
    assert reason(asked) == f"paused until {end} by its owner: backups run"
    assert reason(owner(Limits())) is not None  # as after a restart
    assert reason(asked, NOW + timedelta(hours=2)) is None
    file.write(Pause())
    assert reason(asked, NOW + timedelta(days=400)) == "paused by its owner"
    file.remove()
    file.remove()
    assert reason(asked) is None
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"until": "tomorrow"}', b'{"a": 1}'])
def test_a_pause_that_cannot_be_read_is_a_pause(
    content: bytes, owner: Callable[[Limits], OwnerRules], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "pause.json").write_bytes(content)
    assert "lpnet-agent resume removes it" in str(reason(owner(Limits())))


def test_a_pause_is_whole_for_whoever_looks(tmp_path: Path) -> None:
    """Written again and again while it is read: it is always one of them."""
    file = PauseFile(tmp_path)
    file.write(Pause(reason="0"))
    done = threading.Event()

    def write() -> None:
        for number in range(100):
            file.write(Pause(reason=str(number) * 50))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        pause = file.read(NOW)
        assert pause is not None
        assert str(pause.reason).isdigit()
    writer.join()


def test_a_pause_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="file/state"):
        PauseFile(tmp_path / "file" / "state").write(Pause())


@given(st.integers(0, 300), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    if span:
        assert time_after(text, NOW) - NOW == span
    else:
        with pytest.raises(SetupError, match="--for"):
            time_after(text, NOW)


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "-2h", "2w", "1.5h", "999999d", "0s"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="--for"):
        time_after(text, NOW)


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "7pm"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="--until"):
        next_time_of_day(text, NOW)


# --- limits


def test_heat_stops_it_until_it_is_well_below(
    device: Device, owner: Callable[[Limits], OwnerRules]
) -> None:
    device.heat(60)
    asked = owner(Limits(max_temperature_c=80))
    assert reason(asked) is None
    device.heat(80.5)
    said = reason(asked)
    assert said == (
        "too hot: 80.5 C is above the owner's limit of 80 C; measuring resumes at 75 C"
    )
    device.heat(78)
    assert reason(asked) == said
    device.heat(75)
    assert reason(asked) is None
    device.heat(79)
    assert reason(asked) is None
    (device.root / "sys/class/thermal/thermal_zone0/temp").unlink()
    assert "can no longer be read" in str(reason(asked))


def test_a_low_battery_stops_it(device: Device, owner: Callable[[Limits], OwnerRules]) -> None:
    device.battery(50, "Discharging")
    asked = owner(Limits(min_battery_pct=20))
    for percent, allowed in ((50, True), (20, True), (19, False), (21, False), (22, True)):
        device.battery(percent, "Discharging")
        assert (reason(asked) is None) == allowed, percent
    full = owner(Limits(min_battery_pct=100))
    device.battery(99, "Charging")
    assert "below the owner's limit of 100%" in str(reason(full))
    device.battery(100, "Full")
    assert reason(full) is None


def test_only_on_mains(device: Device, owner: Callable[[Limits], OwnerRules]) -> None:
    device.battery(50, "Charging")
    asked = owner(Limits(on_battery=False))
    assert reason(asked) is None
    device.battery(50, "Discharging")
    assert "runs on its battery" in str(reason(asked))
    device.battery(50, "Unknown")
    assert "can no longer be read" in str(reason(asked))


def test_others_come_first(device: Device, tmp_path: Path) -> None:
    clock = Clock()
    device.runnable(1)
    asked = OwnerRules(Limits(max_load=1), tmp_path / "state", device.root, clock)

    def after_s(seconds: int, runnable: int) -> str | None:
        device.runnable(runnable)
        for _ in range(seconds):
            clock.now += 1
            said = reason(asked)
        return said

    assert after_s(20, 2) is None  # one other: at the limit
    assert after_s(12, 1) is None
    assert after_s(1, 5) is None  # short work of others is no load
    assert "above the owner's limit of 1; measuring resumes at 0.8" in str(after_s(10, 5))
    assert after_s(12, 2) is not None  # still at the limit: not well below
    assert after_s(12, 1) is None


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_temperature_c=80), "max_temperature_c=80: this device exposes no temperature"),
        (Limits(min_battery_pct=20), "min_battery_pct=20: this device exposes no battery"),
        (Limits(on_battery=False), r"on_battery=false.*drop --mains-only \(LPNET_AGENT_ON_BATT"),
        (Limits(max_load=2), "max_load=2: this device exposes no run queue"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_not_ignored(
    limits: Limits, words: str, owner: Callable[[Limits], OwnerRules]
) -> None:
    with pytest.raises(SetupError, match=words):
        owner(limits)


def test_this_machine_says_how_many_processes_run(tmp_path: Path) -> None:
    assert reason(OwnerRules(Limits(max_load=100_000), tmp_path)) is None


def test_limits_come_from_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits_of(Settings()) == Limits()
    for name, value in {
        "QUIET_HOURS": "22:00-07:00, sat 09:00-10:00",
        "MAX_TEMPERATURE_C": "80",
        "MIN_BATTERY_PCT": "20",
        "ON_BATTERY": "false",
        "MAX_SHARE": "0.25",
        "MAX_LOAD": "1.5",
    }.items():
        monkeypatch.setenv(f"LPNET_AGENT_{name}", value)
    found = limits_of(Settings())
    assert [entry.text for entry in found.quiet_hours] == ["22:00-07:00", "sat 09:00-10:00"]
    assert found.max_temperature_c == 80
    assert (found.min_battery_pct, found.on_battery) == (20, False)
    assert (found.max_share, found.max_load) == (0.25, 1.5)
    with pytest.raises(ValueError, match=r"quiet_hours\n.*22-7"):
        Settings(quiet_hours="22-7")
    for wrong in ({"max_share": 0.0}, {"max_share": 1.1}, {"max_load": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Settings.model_validate(wrong)


@given(
    limit=st.floats(-100, 100),
    slack=st.floats(0, 20),
    low=st.booleans(),
    values=st.lists(st.floats(-150, 150), max_size=50),
)
def test_hysteresis_changes_only_past_its_two_bounds(
    limit: float, slack: float, low: bool, values: list[float]
) -> None:
    release = limit + slack if low else limit - slack
    bound = Hysteresis(limit, release, low=low)
    held = False
    for value in values:
        active = bound.update(value)
        past = value < limit if low else value > limit
        back = value >= release if low else value <= release
        assert active or not past
        assert not active or not back
        if past == back:  # between the bounds nothing changes
            assert active == held
        held = active


# --- the share of time


@given(
    share=st.floats(0.01, 0.99),
    workloads=st.lists(st.tuples(st.floats(0.01, 30), st.floats(0, 120)), max_size=200),
)
def test_the_share_is_kept_in_every_ten_minutes(
    share: float, workloads: list[tuple[float, float]]
) -> None:
    """Of whoever works whenever it may: some workloads, some breaks of its own."""
    clock = Clock()
    budget = TimeBudget(share, clock=clock)
    periods: list[tuple[float, float]] = []
    for seconds, rest in workloads:
        while wait_s := budget.wait_s():
            clock.now += max(wait_s, 1e-6)
        begin, clock.now = clock.now, clock.now + seconds
        budget.spend(seconds)
        periods.append((begin, clock.now))
        clock.now += rest
    for _, end in periods:
        inside = sum(max(0.0, e - max(b, end - WINDOW_S)) for b, e in periods if e <= end)
        longest = max(e - b for b, e in periods)
        assert inside <= share * WINDOW_S + longest + 1e-3


@given(st.floats(0.05, 0.95), st.floats(0.1, 5))
def test_most_of_the_share_is_used(share: float, seconds: float) -> None:
    clock = Clock()
    budget = TimeBudget(share, clock=clock)
    spent_s, begin = 0.0, clock.now
    while clock.now < begin + 20 * WINDOW_S:
        if wait_s := budget.wait_s():
            clock.now += max(wait_s, 1e-6)
        else:
            clock.now += seconds
            spent_s += seconds
            budget.spend(seconds)
    assert spent_s / (clock.now - begin) > 0.8 * share


def test_a_share_makes_it_wait(tmp_path: Path) -> None:
    clock = Clock()
    asked = OwnerRules(Limits(max_share=0.5), tmp_path, monotonic=clock)
    refusal = asked.refusal(NOW)
    assert refusal is not None
    assert refusal.reason == "the owner allows measuring 50% of the time; that is used up"
    clock.now += refusal.retry_s
    assert reason(asked) is None
    asked.add_measuring_time(100.0)
    assert reason(asked) is not None
    whole = OwnerRules(Limits(max_share=1.0), tmp_path, monotonic=clock)
    whole.add_measuring_time(1e6)
    assert reason(whole) is None


def test_what_the_owner_says_now_comes_first(device: Device, tmp_path: Path) -> None:
    device.heat(99)
    asked = OwnerRules(Limits(max_temperature_c=80, max_share=0.5), tmp_path, device.root)
    assert "too hot" in str(reason(asked))
    PauseFile(tmp_path).write(Pause())
    assert reason(asked) == "paused by its owner"
