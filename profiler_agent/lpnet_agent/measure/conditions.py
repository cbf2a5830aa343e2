"""What the machine is like while a workload is timed.

Only what costs next to nothing to read on Linux. What this machine does not expose is None.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lpnet.schemas.sample import Conditions

_STEAL = 8  # place of `steal` in a cpu line of /proc/stat, after the cpu's name


@dataclass(frozen=True)
class Snapshot:
    """The counters at one moment; two of them make the conditions of the time between."""

    voluntary: int
    involuntary: int
    major_faults: int
    steal_s: float | None
    throttles: int | None
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
        self._zones = tuple(sorted((root / "sys/class/thermal").glob("thermal_zone*/temp")))

    def read(self) -> Snapshot:
        """The counters now. Switches and faults are of this process, the rest of its cores."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        load, runnable = self._load()
        return Snapshot(
            voluntary=usage.ru_nvcsw,
            involuntary=usage.ru_nivcsw,
            major_faults=usage.ru_majflt,
            steal_s=self._steal(),
            throttles=_total(
                _number(cpu / "thermal_throttle/core_throttle_count") for cpu in self._cpus
            ),
            frequency_mhz=_mean(
                _number(cpu / "cpufreq/scaling_cur_freq", 1e-3) for cpu in self._cpus
            ),
            temperature_c=_hottest(_number(zone, 1e-3) for zone in self._zones),
            load_1m=load,
            runnable=runnable,
        )

    def _load(self) -> tuple[float | None, int | None]:
        words = _text(self._root / "proc/loadavg").split()
        if len(words) < 4:
            return None, None
        return float(words[0]), int(words[3].partition("/")[0])

    def _steal(self) -> float | None:
        ticks = [
            int(words[_STEAL])
            for line in _text(self._root / "proc/stat").splitlines()
            if (words := line.split()) and words[0] in self._names and len(words) > _STEAL
        ]
        return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def between(before: Snapshot, after: Snapshot, wall_s: float, cpu_s: float) -> Conditions:
    """The conditions of the time between two snapshots, `wall_s` and `cpu_s` of it timed."""
    throttles = _difference(before.throttles, after.throttles)
    steal = _difference(before.steal_s, after.steal_s)
    return Conditions(
        wall_s=wall_s,
        cpu_s=cpu_s,
        voluntary_switches=after.voluntary - before.voluntary,
        involuntary_switches=after.involuntary - before.involuntary,
        page_faults=after.major_faults - before.major_faults,
        steal_s=None if steal is None else round(steal, 4),
        load_1m=after.load_1m,
        runnable=after.runnable,
        frequency_mhz=_mean((before.frequency_mhz, after.frequency_mhz)),
        temperature_c=after.temperature_c,
        throttled=None if throttles is None else throttles > 0,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(path: Path, scale: float = 1.0) -> float | None:
    try:
        return int(_text(path)) * scale
    except ValueError:
        return None


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _total(values: Iterable[float | None]) -> int | None:
    known = [value for value in values if value is not None]
    return int(sum(known)) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _hottest(values: Iterable[float | None]) -> float | None:
    # Zones that are switched off report absurd values (-274, 0).
    return max((value for value in values if value is not None and value > 0), default=None)
