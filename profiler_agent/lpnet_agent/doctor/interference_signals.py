"""The signals of interference that this machine exposes; measurements are judged by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.device_info.readings import cpu_cooling, load, thermal_zones
from lpnet_agent.device_info.sysfs import cpu_folder, fields, number, text
from lpnet_agent.doctor.finding import NOT_EXPOSED


@dataclass(frozen=True)
class Signal:
    """A signal, where it is read, and its current reading; None if it is not exposed."""

    name: str
    source: str
    reading: str | None

    @property
    def description(self) -> str:
        return self.reading if self.reading is not None else f"unknown: {NOT_EXPOSED}"


def read_signals(root: Path, cores: tuple[int, ...] | None) -> tuple[Signal, ...]:
    """Every signal of interference, the most useful first."""
    return tuple(Signal(name, source, read(root, cores or ())) for name, source, read in _SIGNALS)


def _cpu_time(root: Path, cores: tuple[int, ...]) -> str | None:
    if root == Path("/"):
        return "exposed"  # every system has a clock per process
    # utime and stime of the process, with its threads; the name before may contain spaces.
    columns = text(root / "proc/self/stat").rpartition(")")[2].split()
    return "exposed" if len(columns) > 12 else None


def _waiting(root: Path, cores: tuple[int, ...]) -> str | None:
    columns = text(root / "proc/self/schedstat").split()
    counts = len(columns) == 3 and any(column != "0" for column in columns)
    return "exposed, ns" if counts else None


def _switches(root: Path, cores: tuple[int, ...]) -> str | None:
    if root == Path("/"):
        return "exposed"  # getrusage
    status = fields(root / "proc/self/status")
    return "exposed" if "nonvoluntary_ctxt_switches" in status else None


def _steal(root: Path, cores: tuple[int, ...]) -> str | None:
    ticks = fields(root / "proc/stat", " ").get("cpu", "").split()
    if len(ticks) < 8:
        return None
    if ticks[7] == "0":
        return "exposed, 0 ticks since start: no steal, or a host that hides it"
    return f"exposed, {ticks[7]} ticks since start"


def _pressure(root: Path, cores: tuple[int, ...]) -> str | None:
    columns = text(root / "proc/pressure/cpu").split()
    if columns[:1] != ["some"]:
        return None
    share = next((c.removeprefix("avg10=") for c in columns if c.startswith("avg10=")), "unknown")
    return f"exposed, {share}% of the last 10 s"


def _runnable(root: Path, cores: tuple[int, ...]) -> str | None:
    _, runnable = load(root)
    return None if runnable is None else f"exposed, {runnable} now"


def _frequency(root: Path, cores: tuple[int, ...]) -> str | None:
    values = [number(cpu_folder(root, core) / "cpufreq/scaling_cur_freq") for core in cores]
    mhz = [value // 1000 for value in values if value is not None]
    return f"exposed, {max(mhz)} MHz now" if mhz else None


def _throttle(root: Path, cores: tuple[int, ...]) -> str | None:
    counts = [number(cpu_folder(root, c) / "thermal_throttle/core_throttle_count") for c in cores]
    if any(count is not None for count in counts):
        return "exposed as counters of the cores"
    names = cpu_cooling(root)
    return f"exposed as cooling devices: {', '.join(names)}" if names else None


def _temperature(root: Path, cores: tuple[int, ...]) -> str | None:
    zones = thermal_zones(root)
    if not zones:
        return None
    return f"exposed by {len(zones)} zones, {max(z.temperature_c for z in zones):.1f} C now"


_SIGNALS: tuple[tuple[str, str, Callable[[Path, tuple[int, ...]], str | None]], ...] = (
    ("wall against CPU time", "/proc/self/stat", _cpu_time),
    ("time waited for a core", "/proc/self/schedstat", _waiting),
    ("context switches", "/proc/self/status", _switches),
    ("steal by the host", "/proc/stat", _steal),
    ("pressure on the CPUs", "/proc/pressure/cpu", _pressure),
    ("runnable threads", "/proc/loadavg", _runnable),
    ("clock of the cores", "cpufreq/scaling_cur_freq", _frequency),
    ("throttle flags", "thermal_throttle, cooling devices", _throttle),
    ("temperature", "/sys/class/thermal", _temperature),
)
