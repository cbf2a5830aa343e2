"""A phone's files of /proc and /sys, mirrored into a folder of this machine.

Conditions and facts are read below a root folder. A phone's files are fetched into such a folder,
many with one command, and then read like those of any device. Values that Android hides in /sys
from adb's user, but that its services print, are written as the files that would hold them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

# Counters that are read right before and after a run, at nearly no cost.
COUNTERS = (
    "grep -sH '^cpu' /proc/stat; "
    "grep -sH '' /proc/uptime /proc/loadavg /proc/pressure/cpu; "
    "grep -sH '^oom_kill ' /proc/vmstat"
)  # fmt: skip

_CPUS = "/sys/devices/system/cpu"
_THERMAL = "/sys/class/thermal"
# Values that change by the second.
LIVE = (
    f"grep -sH '' {_THERMAL}/thermal_zone*/type {_THERMAL}/thermal_zone*/temp "
    f"{_THERMAL}/cooling_device*/type {_THERMAL}/cooling_device*/cur_state "
    f"{_CPUS}/cpu[0-9]*/cpufreq/scaling_cur_freq"
)
# Values that change by the minute: the battery, and settings.
SLOW = (
    "grep -sH '' /sys/class/power_supply/*/type /sys/class/power_supply/*/capacity "
    "/sys/class/power_supply/*/status /sys/class/power_supply/*/present "
    "/sys/class/power_supply/*/online /sys/class/power_supply/*/scope "
    f"{_CPUS}/cpu[0-9]*/cpufreq/scaling_governor {_CPUS}/cpu[0-9]*/cpufreq/scaling_max_freq "
    f"/proc/meminfo {_CPUS}/online; echo '@battery'; dumpsys battery 2>/dev/null; "
    "echo '@thermal'; dumpsys thermalservice 2>/dev/null"
)
# Values that never change.
FIXED = (
    f"grep -sH '' {_CPUS}/present {_CPUS}/cpu[0-9]*/cpu_capacity "
    f"{_CPUS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq {_CPUS}/cpu[0-9]*/topology/thread_siblings_list "
    f"{_THERMAL}/thermal_zone*/trip_point_*_type {_THERMAL}/thermal_zone*/trip_point_*_temp "
    "/proc/cpuinfo"
)

_LINE = re.compile(r"(/[^:]+):(.*)")
_SUPPLIES = "/sys/class/power_supply"

# States of android.os.BatteryManager, by their names in sysfs.
_STATUS = {"1": "Unknown", "2": "Charging", "3": "Discharging", "4": "Not charging", "5": "Full"}
_PLUGS = {"AC powered": "Mains", "USB powered": "USB", "Wireless powered": "Wireless"}

_TEMPERATURE = re.compile(r"Temperature\{mValue=([-0-9.]+), mType=(\d+), mName=([^,]+),")
_COOLING = re.compile(r"^Thermal Status: (\d+)", re.MULTILINE)
_CPU_TYPE = "0"
_ZONES, _DEVICES = "/thermal_zone", "/cooling_device"
# Above the numbers that kernels use.
_FIRST_NUMBER = 9000


class MirroredFiles:
    """The mirror, a folder that exists within the context. It loses files that disappear from the
    phone or become unreadable."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lpnet-phone-")
        self.root = Path(self._folder.name)
        self._parts: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def update(self, part: str, output: str) -> None:
        current, before = parse_files(output), self._parts.get(part, {})
        if part == "slow":
            current = _with_services(output, current, self._parts.get("live", {}))
        for name in before.keys() - current.keys():
            self._path(name).unlink(missing_ok=True)
        for name, content in current.items():
            if before.get(name) != content:
                path = self._path(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content + "\n")
        self._parts[part] = current

    @property
    def has_live_temperature(self) -> bool:
        """Whether temperatures are current, as part of the live files. Otherwise they are the last
        ones that Android's services printed."""
        return _any(self._parts.get("live", {}), _ZONES, "/temp")

    @property
    def has_live_cooling(self) -> bool:
        return _any(self._parts.get("live", {}), _DEVICES, "/cur_state")

    def _path(self, name: str) -> Path:
        return self.root / name.lstrip("/")


def parse_files(output: str) -> dict[str, str]:
    """The files in lines `path:content`; other lines are ignored."""
    files: dict[str, list[str]] = {}
    for line in output.splitlines():
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match and ".." not in match[1]:
            files.setdefault(match[1], []).append(match[2])
    return {name: "\n".join(lines) for name, lines in files.items()}


def _with_services(output: str, files: dict[str, str], live: Mapping[str, str]) -> dict[str, str]:
    _, _, services = output.partition("@battery\n")
    battery, _, thermal = services.partition("@thermal\n")
    if not any(name.endswith("/capacity") for name in files):
        files |= _battery(battery)
    if not _any(live, _ZONES, "/temp"):
        files |= _zones(thermal)
    if not _any(live, _DEVICES, ""):
        files |= _cooling(thermal)
    return files


def _any(files: Mapping[str, str], part: str, end: str) -> bool:
    return any(part in name and name.endswith(end) for name in files)


def _battery(output: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in output.splitlines())
    entries = {name.strip(): value.strip() for name, colon, value in pairs if colon}
    level, scale = entries.get("level", ""), entries.get("scale", "")
    if not (level.isdecimal() and scale.isdecimal() and int(scale)):
        return {}
    folder = f"{_SUPPLIES}/battery"
    files = {
        f"{folder}/type": "Battery",
        f"{folder}/capacity": str(100 * int(level) // int(scale)),
        f"{folder}/status": _STATUS.get(entries.get("status", ""), "Unknown"),
        f"{folder}/present": "0" if entries.get("present") == "false" else "1",
    }
    for name, kind in _PLUGS.items():
        if name in entries:
            plug = f"{_SUPPLIES}/{kind.lower()}"
            files |= {f"{plug}/type": kind, f"{plug}/online": str(int(entries[name] == "true"))}
    return files


def _zones(output: str) -> dict[str, str]:
    _, heading, current = output.partition("Current temperatures from HAL")
    files = {}
    readings = _TEMPERATURE.findall(current if heading else output)
    for number, (value, kind, name) in enumerate(readings):
        if kind == _CPU_TYPE:
            zone = f"{_THERMAL}/thermal_zone{_FIRST_NUMBER + number}"
            files[f"{zone}/type"] = name
            files[f"{zone}/temp"] = str(round(1000 * float(value)))
    return files


def _cooling(output: str) -> dict[str, str]:
    status = _COOLING.search(output)
    if status is None:
        return {}
    device = f"{_THERMAL}/cooling_device{_FIRST_NUMBER}"
    return {f"{device}/type": "android-cpu-throttle", f"{device}/cur_state": status[1]}
