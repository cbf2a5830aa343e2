"""The files of a phone's /proc and /sys as files of this machine.

All that reads conditions and facts reads them below a root, so a phone is read like any device:
its files are fetched, many with one command, into a folder that is such a root. What Android keeps
from adb's user in /sys and says by its services is written as the files that would say it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

# Counters, read right before and after a run: what reads them costs next to nothing.
COUNTERS = (
    "grep -sH '^cpu' /proc/stat; "
    "grep -sH '' /proc/uptime /proc/loadavg /proc/pressure/cpu; "
    "grep -sH '^oom_kill ' /proc/vmstat"
)  # fmt: skip

_CPUS = "/sys/devices/system/cpu"
_THERMAL = "/sys/class/thermal"
# What changes by the second.
LIVE = (
    f"grep -sH '' {_THERMAL}/thermal_zone*/type {_THERMAL}/thermal_zone*/temp "
    f"{_THERMAL}/cooling_device*/type {_THERMAL}/cooling_device*/cur_state "
    f"{_CPUS}/cpu[0-9]*/cpufreq/scaling_cur_freq"
)
# What changes by the minute: the battery, and settings.
SLOW = (
    "grep -sH '' /sys/class/power_supply/*/type /sys/class/power_supply/*/capacity "
    "/sys/class/power_supply/*/status /sys/class/power_supply/*/present "
    "/sys/class/power_supply/*/online /sys/class/power_supply/*/scope "
    f"{_CPUS}/cpu[0-9]*/cpufreq/scaling_governor {_CPUS}/cpu[0-9]*/cpufreq/scaling_max_freq "
    f"/proc/meminfo {_CPUS}/online; echo '@battery'; dumpsys battery 2>/dev/null; "
    "echo '@thermal'; dumpsys thermalservice 2>/dev/null"
)
# What never does.
FIXED = (
    f"grep -sH '' {_CPUS}/present {_CPUS}/cpu[0-9]*/cpu_capacity "
    f"{_CPUS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq {_CPUS}/cpu[0-9]*/topology/thread_siblings_list "
    f"{_THERMAL}/thermal_zone*/trip_point_*_type {_THERMAL}/thermal_zone*/trip_point_*_temp "
    "/proc/cpuinfo"
)

_LINE = re.compile(r"(/[^:]+):(.*)")
_SUPPLIES = "/sys/class/power_supply"

# android.os.BatteryManager, as sysfs says them.
_STATUS = {"1": "Unknown", "2": "Charging", "3": "Discharging", "4": "Not charging", "5": "Full"}
_PLUGS = {"AC powered": "Mains", "USB powered": "USB", "Wireless powered": "Wireless"}

_TEMPERATURE = re.compile(r"Temperature\{mValue=([-0-9.]+), mType=(\d+), mName=([^,]+),")
_COOLING = re.compile(r"^Thermal Status: (\d+)", re.MULTILINE)
_OF_CPU = "0"
_ZONES, _DEVICES = "/thermal_zone", "/cooling_device"
# Numbers that no kernel gives to its own.
_BEYOND = 9000


class MirroredFiles:
    """A folder, for as long as the object is entered. What was read last counts: a file that is
    not there any more, or cannot be read, goes."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lpnet-phone-")
        self.root = Path(self._folder.name)
        self._held: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def take(self, part: str, said: str) -> None:
        """`said` is what the phone answered when asked for the `part` of its files that was read
        under that name before."""
        now, before = files(said), self._held.get(part, {})
        if part == "slow":
            now = _completed(said, now, self._held.get("live", {}))
        for name in before.keys() - now.keys():
            self._place(name).unlink(missing_ok=True)
        for name, content in now.items():
            if before.get(name) != content:
                place = self._place(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content + "\n")
        self._held[part] = now

    @property
    def live_heat(self) -> bool:
        """Whether temperatures are read with all that changes by the second; else they are what
        Android's services said when they were asked last."""
        return _any(self._held.get("live", {}), _ZONES, "/temp")

    @property
    def live_cooling(self) -> bool:
        """The same of what slows it down for heat."""
        return _any(self._held.get("live", {}), _DEVICES, "/cur_state")

    def _place(self, name: str) -> Path:
        return self.root / name.lstrip("/")


def files(said: str) -> dict[str, str]:
    """The files in lines `path:content`; all else is left out."""
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match and ".." not in match[1]:
            found.setdefault(match[1], []).append(match[2])
    return {name: "\n".join(lines) for name, lines in found.items()}


def _completed(said: str, found: dict[str, str], live: Mapping[str, str]) -> dict[str, str]:
    """With what only Android's services say."""
    _, _, services = said.partition("@battery\n")
    battery, _, thermal = services.partition("@thermal\n")
    if not any(name.endswith("/capacity") for name in found):
        found |= _battery(battery)
    if not _any(live, _ZONES, "/temp"):
        found |= _zones(thermal)
    if not _any(live, _DEVICES, ""):
        found |= _cooling(thermal)
    return found


def _any(found: Mapping[str, str], part: str, end: str) -> bool:
    return any(part in name and name.endswith(end) for name in found)


def _battery(said: str) -> dict[str, str]:
    """Of `dumpsys battery`."""
    pairs = (line.partition(":") for line in said.splitlines())
    known = {name.strip(): value.strip() for name, colon, value in pairs if colon}
    level, scale = known.get("level", ""), known.get("scale", "")
    if not (level.isdecimal() and scale.isdecimal() and int(scale)):
        return {}
    folder = f"{_SUPPLIES}/battery"
    made = {
        f"{folder}/type": "Battery",
        f"{folder}/capacity": str(100 * int(level) // int(scale)),
        f"{folder}/status": _STATUS.get(known.get("status", ""), "Unknown"),
        f"{folder}/present": "0" if known.get("present") == "false" else "1",
    }
    for name, kind in _PLUGS.items():
        if name in known:
            plug = f"{_SUPPLIES}/{kind.lower()}"
            made |= {f"{plug}/type": kind, f"{plug}/online": str(int(known[name] == "true"))}
    return made


def _zones(said: str) -> dict[str, str]:
    """The CPU's temperatures of `dumpsys thermalservice`, those of now where it says them."""
    _, now, current = said.partition("Current temperatures from HAL")
    made = {}
    for number, (value, kind, name) in enumerate(_TEMPERATURE.findall(current if now else said)):
        if kind == _OF_CPU:
            zone = f"{_THERMAL}/thermal_zone{_BEYOND + number}"
            made[f"{zone}/type"] = name
            made[f"{zone}/temp"] = str(round(1000 * float(value)))
    return made


def _cooling(said: str) -> dict[str, str]:
    """Android's own word for being slowed down for heat, as a device that does it."""
    status = _COOLING.search(said)
    if status is None:
        return {}
    device = f"{_THERMAL}/cooling_device{_BEYOND}"
    return {f"{device}/type": "android-cpu-throttle", f"{device}/cur_state": status[1]}
