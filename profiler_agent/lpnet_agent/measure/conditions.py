"""Conditions of the machine while a workload is timed: load, clocks, heat, memory pressure.

Only counters that are nearly free to read on Linux. A value that this machine does not expose is
None.
"""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpnet.schemas.sample import Conditions
from lpnet_agent.device_info.readings import cpu_cooling, load, temperature_c
from lpnet_agent.device_info.sysfs import integer, number, text
from lpnet_agent.gpu import conditions as gpu

# Columns in a cpu line of /proc/stat, counted from the cpu's name.
_BUSY = (1, 2, 3, 6, 7)  # user, nice, system, irq, softirq
_STEAL = 8
_CORE = re.compile(r"cpu[0-9]+")


@dataclass(frozen=True)
class Snapshot:
    """The counters at one time; two snapshots give the conditions in between.

    `other_cores` is the total busy time of the other cores, s, and their number.
    """

    voluntary: int
    involuntary: int
    major_faults: int
    own_cpu_s: float
    at_s: float
    busy_s: float | None
    other_cores: tuple[float, int] | None
    steal_s: float | None
    pressure_s: float | None
    throttles: int | None
    cooling: int | None
    frequency_mhz: float | None
    temperature_c: float | None
    load_1m: float | None
    runnable: int | None


class Probe:
    """Reads the conditions of `cores` below `root`, the file system or a copy of it."""

    def __init__(self, cores: Iterable[int], root: Path = Path("/")) -> None:
        self._root = root
        self._names = tuple(f"cpu{core}" for core in cores)
        self._cpus = tuple(root / "sys/devices/system/cpu" / name for name in self._names)

    def read(self) -> Snapshot:
        """The current counters. Switches, faults and own CPU time are those of this process,
        pressure and load those of the machine, the rest those of the probe's cores."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        load_1m, runnable = load(self._root)
        busy_s, steal_s, other_cores = self._cpu_times()
        return Snapshot(
            at_s=time.monotonic(),
            voluntary=usage.ru_nvcsw,
            involuntary=usage.ru_nivcsw,
            major_faults=usage.ru_majflt,
            own_cpu_s=usage.ru_utime + usage.ru_stime,
            busy_s=busy_s,
            other_cores=other_cores,
            steal_s=steal_s,
            pressure_s=self._pressure_s(),
            throttles=_total(
                number(cpu / "thermal_throttle/core_throttle_count") for cpu in self._cpus
            ),
            cooling=max(cpu_cooling(self._root).values(), default=None),
            frequency_mhz=_mean(
                number(cpu / "cpufreq/scaling_cur_freq", 1e-3) for cpu in self._cpus
            ),
            temperature_c=temperature_c(self._root),
            load_1m=load_1m,
            runnable=runnable,
        )

    def _cpu_times(self) -> tuple[float | None, float | None, tuple[float, int] | None]:
        """Busy and stolen time of the probe's cores, s; see Snapshot for the other cores."""
        cores = {
            columns[0]: [integer(column) or 0 for column in columns[1:]]
            for line in text(self._root / "proc/stat").splitlines()
            if (columns := line.split()) and _CORE.fullmatch(columns[0]) and len(columns) > _STEAL
        }
        busy = {name: sum(ticks[column - 1] for column in _BUSY) for name, ticks in cores.items()}
        other_busy = [ticks for name, ticks in busy.items() if name not in self._names]
        own = [name for name in self._names if name in cores]
        tick = os.sysconf("SC_CLK_TCK")
        if not own:
            return None, None, None
        steal = sum(cores[name][_STEAL - 1] for name in own)
        other_cores = (sum(other_busy) / tick, len(other_busy)) if other_busy else None
        return sum(busy[name] for name in own) / tick, steal / tick, other_cores

    def _pressure_s(self) -> float | None:
        for line in text(self._root / "proc/pressure/cpu").splitlines():
            kind, _, averages = line.partition(" ")
            total = averages.rpartition("total=")[2]
            if kind == "some" and total.isdecimal():
                return int(total) / 1e6
        return None


def between(before: Snapshot, after: Snapshot) -> Conditions:
    steal = _difference(before.steal_s, after.steal_s)
    busy = _difference(before.busy_s, after.busy_s)
    pressure = _difference(before.pressure_s, after.pressure_s)
    own = after.own_cpu_s - before.own_cpu_s
    return Conditions(
        voluntary_switches=after.voluntary - before.voluntary,
        involuntary_switches=after.involuntary - before.involuntary,
        page_faults=after.major_faults - before.major_faults,
        steal_s=None if steal is None else round(steal, 4),
        others_s=None if busy is None else round(max(0.0, busy - own), 4),
        elsewhere_share=_other_cores_share(before, after),
        pressure_s=None if pressure is None else round(pressure, 6),
        load_1m=after.load_1m,
        runnable=after.runnable,
        frequency_mhz=_mean((before.frequency_mhz, after.frequency_mhz)),
        temperature_c=after.temperature_c,
        throttled=_throttled(before, after),
    )


def _other_cores_share(before: Snapshot, after: Snapshot) -> float | None:
    """Busy share of the other cores; None if a core was switched on or off in between."""
    if before.other_cores is None or after.other_cores is None:
        return None
    (first_s, count), (last_s, count_after) = before.other_cores, after.other_cores
    seconds = (after.at_s - before.at_s) * count
    if count != count_after or seconds <= 0:
        return None
    return round(min(1.0, max(0.0, (last_s - first_s) / seconds)), 4)


def _throttled(before: Snapshot, after: Snapshot) -> bool | None:
    throttles = _difference(before.throttles, after.throttles)
    states = [state for state in (throttles, before.cooling, after.cooling) if state is not None]
    return any(state > 0 for state in states) if states else None


def combine(parts: Sequence[Conditions]) -> Conditions:
    """The conditions of several visits combined: counters are added, clocks averaged, and the
    highest temperature and load kept. Raises ValueError if there are none."""
    if not parts:
        raise ValueError("no conditions to combine")
    added = ("voluntary_switches", "involuntary_switches", "page_faults", "steal_s", "others_s")
    worst = ("elsewhere_share", "memory_pct", "load_1m", "runnable", "temperature_c", "throttled")
    return Conditions.model_validate(
        {name: _sum(getattr(part, name) for part in parts) for name in (*added, "pressure_s")}
        | {name: _max(getattr(part, name) for part in parts) for name in worst}
        | {"frequency_mhz": _mean(part.frequency_mhz for part in parts)}
        | {"gpu": gpu.combine([part.gpu for part in parts])}
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _sum(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def _total(values: Iterable[float | None]) -> int | None:
    total = _sum(values)
    return None if total is None else int(total)


def _max(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
