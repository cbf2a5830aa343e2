"""Conditions are read from files; what a machine has not, is unknown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lpnet_agent.measure.conditions import Probe, between

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
    write(tmp_path, "proc/loadavg", "0.52 0.58 0.59 3/467 1234\n")
    for core, khz, throttles in ((2, 2_000_000, 4), (3, 3_000_000, 0)):
        cpu = f"sys/devices/system/cpu/cpu{core}"
        write(tmp_path, f"{cpu}/cpufreq/scaling_cur_freq", f"{khz}\n")
        write(tmp_path, f"{cpu}/thermal_throttle/core_throttle_count", f"{throttles}\n")
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "41500\n")
    write(tmp_path, "sys/class/thermal/thermal_zone1/temp", "-274000\n")
    return tmp_path


def test_the_measured_cores_are_read(machine: Path) -> None:
    seen = Probe((2, 3), machine).read()
    assert seen.steal_s == 5.0
    assert seen.frequency_mhz == 2500.0
    assert seen.throttles == 4
    assert seen.temperature_c == 41.5
    assert seen.load_1m == 0.52
    assert seen.runnable == 3


def test_conditions_are_what_changed_meanwhile(machine: Path) -> None:
    probe = Probe((2, 3), machine)
    before = probe.read()
    stat = machine / "proc/stat"
    stat.write_text(stat.read_text().replace(f" 7 {2 * TICKS} 9", f" 7 {3 * TICKS} 9"))
    write(machine, "sys/devices/system/cpu/cpu3/thermal_throttle/core_throttle_count", "1\n")
    found = between(before, probe.read(), wall_s=2.0, cpu_s=1.5)
    assert found.steal_s == 1.0
    assert found.throttled is True
    assert (found.wall_s, found.cpu_s) == (2.0, 1.5)
    assert found.involuntary_switches is not None
    assert found.involuntary_switches >= 0
    assert between(before, before, 1.0, 1.0).throttled is False


def test_what_is_not_exposed_is_unknown(tmp_path: Path) -> None:
    probe = Probe((0,), tmp_path)
    found = between(probe.read(), probe.read(), 1.0, 1.0)
    for name in ("steal_s", "throttled", "frequency_mhz", "temperature_c", "load_1m", "runnable"):
        assert getattr(found, name) is None, name


@pytest.mark.parametrize("content", ["", "garbage", "1 2"])
def test_a_file_that_says_something_else_is_unknown(machine: Path, content: str) -> None:
    write(machine, "proc/loadavg", content)
    write(machine, "proc/stat", content)
    write(machine, "sys/class/thermal/thermal_zone0/temp", content)
    seen = Probe((2, 3), machine).read()
    assert (seen.load_1m, seen.steal_s, seen.temperature_c) == (None, None, None)


def test_this_machine_can_be_read() -> None:
    seen = Probe(os.sched_getaffinity(0)).read()
    assert seen.voluntary >= 0
    assert seen.load_1m is not None
