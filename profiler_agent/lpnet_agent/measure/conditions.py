"""What the machine is like while a workload is timed.

Only what costs next to nothing to read on Linux. What this machine does not expose is None.
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

# Places in a cpu line of /proc/stat, after the cpu's name.
_BUSY = (1, 2, 3, 6, 7)  # user, nice, system, irq, softirq
_STEAL = 8
_CORE = re.compile(r"cpu[0-9]+")


@dataclass(frozen=True)
class Snapshot:
    """The counters at one moment; two of them make the conditions of the time between.

    `elsewhere` is the busy time of the other cores together, and how many they are.
    """

    voluntary: int
    involuntary: int
    major_faults: int
    own_cpu_s: float
    at_s: float
    busy_s: float | None
    elsewhere: tuple[float, int] | None
    steal_s: float | None
    pressure_s: float | None
    throttles: int | None
    cooling: int | None
    frequency_mhz: float | None
    temperature_c: float | None
    load_1m: float | None
    runnable: int | None


class Probe:
    """Reads the conditions of `cores` below `root` (the file system, or a copy of it)."""

    def __init__(self, cores: Iterable[int], root: Path = Path("/")) -> None:
        self._root = root
        self._names = tuple(f"cpu{core}" for core in cores)
        self._cpus = tuple(root / "sys/devices/system/cpu" / name for name in self._names)

    def read(self) -> Snapshot:
        """The counters now. Switches, faults and own CPU time are of this process, the rest of
        its cores, pressure and load of the machine."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        load_1m, runnable = load(self._root)
        busy, steal, elsewhere = self._ticks()
        return Snapshot(
            at_s=time.monotonic(),
            voluntary=usage.ru_nvcsw,
            involuntary=usage.ru_nivcsw,
            major_faults=usage.ru_majflt,
            own_cpu_s=usage.ru_utime + usage.ru_stime,
            busy_s=busy,
            elsewhere=elsewhere,
            steal_s=steal,
            pressure_s=self._pressure(),
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

    def _ticks(self) -> tuple[float | None, float | None, tuple[float, int] | None]:
        """Busy and stolen time of its cores, s; busy time of the others, and their number."""
        cores = {
            words[0]: [integer(word) or 0 for word in words[1:]]
            for line in text(self._root / "proc/stat").splitlines()
            if (words := line.split()) and _CORE.fullmatch(words[0]) and len(words) > _STEAL
        }
        busy = {name: sum(ticks[place - 1] for place in _BUSY) for name, ticks in cores.items()}
        others = [value for name, value in busy.items() if name not in self._names]
        own = [name for name in self._names if name in cores]
        tick = os.sysconf("SC_CLK_TCK")
        elsewhere = (sum(others) / tick, len(others)) if own and others else None
        if not own:
            return None, None, elsewhere
        steal = sum(cores[name][_STEAL - 1] for name in own)
        return sum(busy[name] for name in own) / tick, steal / tick, elsewhere

    def _pressure(self) -> float | None:
        for line in text(self._root / "proc/pressure/cpu").splitlines():
            kind, _, rest = line.partition(" ")
            total = rest.rpartition("total=")[2]
            if kind == "some" and total.isdecimal():
                return int(total) / 1e6
        return None


def between(before: Snapshot, after: Snapshot) -> Conditions:
    """The conditions of the time between two snapshots."""
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
        elsewhere_share=_elsewhere(before, after),
        pressure_s=None if pressure is None else round(pressure, 6),
        load_1m=after.load_1m,
        runnable=after.runnable,
        frequency_mhz=_mean((before.frequency_mhz, after.frequency_mhz)),
        temperature_c=after.temperature_c,
        throttled=_throttled(before, after),
    )


def _elsewhere(before: Snapshot, after: Snapshot) -> float | None:
    """Of the other cores' time, how much they were busy. A core that came or went: unknown."""
    if before.elsewhere is None or after.elsewhere is None:
        return None
    (first, count), (last, now) = before.elsewhere, after.elsewhere
    seconds = (after.at_s - before.at_s) * count
    if count != now or seconds <= 0:
        return None
    return round(min(1.0, max(0.0, (last - first) / seconds)), 4)


def _throttled(before: Snapshot, after: Snapshot) -> bool | None:
    """By its counter or by the state of what cools it; a Jetson and a phone have only that."""
    throttles = _difference(before.throttles, after.throttles)
    seen = [state for state in (throttles, before.cooling, after.cooling) if state is not None]
    return any(state > 0 for state in seen) if seen else None


def together(parts: Sequence[Conditions]) -> Conditions:
    """The conditions of several visits as one: counters added, clocks averaged, the hottest and
    the busiest moment. Raises ValueError on none."""
    if not parts:
        raise ValueError("no conditions to put together")
    added = ("voluntary_switches", "involuntary_switches", "page_faults", "steal_s", "others_s")
    worst = ("elsewhere_share", "memory_pct", "load_1m", "runnable", "temperature_c", "throttled")
    return Conditions.model_validate(
        {name: _sum(getattr(part, name) for part in parts) for name in (*added, "pressure_s")}
        | {name: _most(getattr(part, name) for part in parts) for name in worst}
        | {"frequency_mhz": _mean(part.frequency_mhz for part in parts)}
        | {"gpu": gpu.together([part.gpu for part in parts])}
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _total(values: Iterable[float | None]) -> int | None:
    total = _sum(values)
    return None if total is None else int(total)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
