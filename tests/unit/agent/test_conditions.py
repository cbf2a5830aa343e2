"""Conditions are read from files; what a machine has not, is unknown."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.conditions import Probe, between, combine

TICKS = os.sysconf("SC_CLK_TCK")


def write(root: Path, path: str, content: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Four cores, of which 2 and 3 are measured on."""
    stat = "\n".join(f"cpu{i} 1 2 3 4 5 6 7 {i * TICKS} 9 10" for i in range(4))
    write(tmp_path, "proc/stat", f"cpu 9 9 9 9 9 9 9 999 9 9\n{stat}\nintr 1 2\n")
    write(tmp_path, "proc/pressure/cpu", "some avg10=0.10 avg60=0.00 avg300=0.00 total=2500000\n")
    write(tmp_path, "proc/loadavg", "0.52 0.58 0.59 3/467 1234\n")
    for core, khz, throttles in ((2, 2_000_000, 4), (3, 3_000_000, 0)):
        cpu = f"sys/devices/system/cpu/cpu{core}"
        write(tmp_path, f"{cpu}/cpufreq/scaling_cur_freq", f"{khz}\n")
        write(tmp_path, f"{cpu}/thermal_throttle/core_throttle_count", f"{throttles}\n")
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "41500\n")
    write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "-274000\n")
    return tmp_path


def test_the_measured_cores_are_read(machine: Path) -> None:
    snapshot = Probe((2, 3), machine).read()
    assert snapshot.steal_s == 5.0
    assert snapshot.frequency_mhz == 2500.0
    assert snapshot.throttles == 4
    assert snapshot.temperature_c == 41.5
    assert snapshot.load_1m == 0.52
    assert snapshot.runnable == 3
    assert snapshot.pressure_s == 2.5
    assert snapshot.busy_s == pytest.approx(2 * (1 + 2 + 3 + 6 + 7) / TICKS)


def test_conditions_are_what_changed_meanwhile(machine: Path) -> None:
    probe = Probe((2, 3), machine)
    before = probe.read()
    stat = machine / "proc/stat"
    stat.write_text(stat.read_text().replace(f" 7 {2 * TICKS} 9", f" 7 {3 * TICKS} 9"))
    write(machine, "sys/devices/system/cpu/cpu3/thermal_throttle/core_throttle_count", "1\n")
    combined = between(before, probe.read())
    assert combined.steal_s == 1.0
    assert combined.throttled is True
    assert combined.involuntary_switches is not None
    assert combined.involuntary_switches >= 0
    assert between(before, before).throttled is False


def test_what_others_had_of_the_cores_is_their_time_without_its_own(machine: Path) -> None:
    probe = Probe((2,), machine)
    before = probe.read()
    stat = machine / "proc/stat"
    stat.write_text(stat.read_text().replace("cpu2 1 2", f"cpu2 {1 + 300 * TICKS} 2"))
    combined = between(before, probe.read())
    assert combined.others_s == pytest.approx(300, abs=5)
    assert between(before, before).others_s == 0


def test_what_happens_on_the_other_cores_is_a_share_of_their_time(machine: Path) -> None:
    probe = Probe((2,), machine)
    before = probe.read()
    stat = machine / "proc/stat"
    stat.write_text(stat.read_text().replace("cpu1 1 2", f"cpu1 {1 + 6 * TICKS} 2"))
    after = replace(probe.read(), at_s=before.at_s + 4)
    # Six seconds of one of three other cores, in four seconds.
    assert between(before, after).elsewhere_share == pytest.approx(0.5)
    gone = replace(after, other_cores=(1.0, 2))
    assert between(before, gone).elsewhere_share is None
    assert Probe((0, 1, 2, 3), machine).read().other_cores is None


def test_visits_are_put_together() -> None:
    first = Conditions(involuntary_switches=2, steal_s=0.1, load_1m=0.5, frequency_mhz=2000)
    second = Conditions(involuntary_switches=3, steal_s=0.2, load_1m=2.0, temperature_c=60)
    combined = combine([first, second, Conditions(frequency_mhz=1000, throttled=True)])
    assert combined.involuntary_switches == 5
    assert combined.steal_s == pytest.approx(0.3)
    assert (combined.load_1m, combined.frequency_mhz, combined.temperature_c) == (2.0, 1500, 60)
    assert combined.throttled is True
    assert combined.pressure_s is None
    with pytest.raises(ValueError, match="no conditions"):
        combine([])


def test_what_is_not_exposed_is_unknown(tmp_path: Path) -> None:
    probe = Probe((0,), tmp_path)
    combined = between(probe.read(), probe.read())
    unknown = ("steal_s", "others_s", "pressure_s", "throttled", "frequency_mhz", "temperature_c")
    for name in (*unknown, "load_1m", "runnable"):
        assert getattr(combined, name) is None, name


@pytest.mark.parametrize("content", ["", "garbage", "1 2"])
def test_a_file_that_says_something_else_is_unknown(machine: Path, content: str) -> None:
    write(machine, "proc/loadavg", content)
    write(machine, "proc/stat", content)
    write(machine, "sys/class/thermal/thermal_zone0/temp", content)
    snapshot = Probe((2, 3), machine).read()
    assert (snapshot.load_1m, snapshot.steal_s, snapshot.temperature_c) == (None, None, None)


def test_this_machine_can_be_read() -> None:
    snapshot = Probe(os.sched_getaffinity(0)).read()
    assert snapshot.voluntary >= 0
    assert snapshot.load_1m is not None
