"""What feeds the device: memory, battery, and the power it is allowed."""

from __future__ import annotations

import re

from lpnet_agent.device_info.readings import battery, mains
from lpnet_agent.device_info.sysfs import fields, integer, text
from lpnet_agent.doctor.finding import Finding, Scope, unknown

_TIGHT_MIB = 512
_TOO_TIGHT_MIB = 200
_LOW_PERCENT = 20.0
_MODE = re.compile(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", re.MULTILINE)
_STATUS = re.compile(r"pmode:0*(\d+)")


def memory(scope: Scope) -> Finding:
    """Whether networks fit in memory beside everything else."""
    name, looked = "memory", "/proc/meminfo; pages swapped in during one second"
    seen = {key: _mib(words) for key, words in fields(scope.root / "proc/meminfo").items()}
    free, total, spare = (seen.get(key) for key in ("MemAvailable", "SwapTotal", "SwapFree"))
    if free is None:
        return unknown(name, looked)
    swapped = scope.watched.swapped_in if scope.watched else 0
    used = None if total is None or spare is None else total - spare
    words = f"{free} MiB free, {'unknown' if used is None else used} MiB in swap"
    if free < _TOO_TIGHT_MIB:
        return Finding(name, "bad", looked, words, "ps -e -o pid,rss,comm --sort -rss | head")
    if swapped or free < _TIGHT_MIB:
        return Finding(
            name,
            "attend",
            looked,
            f"{words}{', read back right now' if swapped else ''}",
            "ps -e -o pid,rss,comm --sort -rss | head",
        )
    return Finding(name, "ok", looked, words)


def power(scope: Scope) -> Finding:
    """Whether the device runs on its battery."""
    name, looked = "power supply", "/sys/class/power_supply"
    cell, plugged = battery(scope.root), mains(scope.root)
    if cell is None:
        if plugged is None:
            return unknown(name, looked)
        return Finding(name, "ok", looked, "no battery: it runs on mains")
    charge = "unknown" if cell.percent is None else f"{cell.percent:.0f}%"
    if not cell.discharging and (plugged or cell.discharging is False):
        return Finding(name, "ok", looked, f"plugged in, battery at {charge}")
    if cell.discharging is None:
        return unknown(name, looked, f"battery at {charge}; whether it feeds the device is unsaid")
    low = cell.percent is not None and cell.percent < _LOW_PERCENT
    return Finding(
        name,
        "bad" if low else "attend",
        looked,
        f"on battery, at {charge}: devices run slower so" + (", and soon not at all" * low),
        "plug it in",
    )


def mode(scope: Scope) -> Finding:
    """The power mode: a Jetson's, or a platform profile of ACPI. It is part of the target."""
    name, looked = "power mode", "/var/lib/nvpmodel/status, /sys/firmware/acpi/platform_profile"
    status = _STATUS.search(text(scope.root / "var/lib/nvpmodel/status"))
    if status:
        return _jetson(name, looked, scope, int(status.group(1)))
    profile = text(scope.root / "sys/firmware/acpi/platform_profile")
    if not profile:
        return unknown(name, looked)
    if profile in ("performance", "balanced"):
        return Finding(name, "ok", looked, profile)
    return Finding(
        name,
        "attend",
        looked,
        f"{profile}: the chip gets less power than it can use",
        "powerprofilesctl set balanced",
    )


def _jetson(name: str, looked: str, scope: Scope, current: int) -> Finding:
    modes = {
        int(number): title
        for number, title in _MODE.findall(text(scope.root / "etc/nvpmodel.conf"))
    }
    title = modes.get(current, "unnamed")
    full = [number for number, other in modes.items() if other.startswith("MAXN")]
    words = f"mode {current} ({title})"
    if not modes:
        return Finding(name, "ok", looked, f"{words}; which others there are is unknown")
    if current in full or not full:
        return Finding(name, "ok", looked, words)
    return Finding(
        name,
        "attend",
        looked,
        f"{words}, with fewer cores or lower clocks than {modes[full[-1]]}. Right if networks "
        "will run so here",
        f"sudo nvpmodel -m {full[-1]}    # sudo jetson_clocks then fixes the clocks",
    )


def _mib(words: str) -> int | None:
    value = integer(words.removesuffix("kB"))
    return None if value is None else value // 1024
