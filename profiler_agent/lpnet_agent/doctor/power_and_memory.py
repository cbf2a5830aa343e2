"""Checks of memory, power supply and power mode."""

from __future__ import annotations

import re

from lpnet_agent.device_info.readings import battery, mains
from lpnet_agent.device_info.sysfs import fields, integer, text
from lpnet_agent.doctor.finding import CheckContext, Finding, Subject

_LOW_MIB = 512
_TOO_LOW_MIB = 200
_LOW_PERCENT = 20.0
_MEMORY_USERS = "ps -e -o pid,rss,comm --sort -rss | head"
# Lines of a Jetson's nvpmodel.conf, and its status file.
_MODE = re.compile(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+?)\s*>", re.MULTILINE)
_STATUS = re.compile(r"pmode:0*(\d+)")


def memory(context: CheckContext) -> Finding:
    subject = Subject("memory", "/proc/meminfo; pages swapped in during one second")
    values = {key: _mib(v) for key, v in fields(context.root / "proc/meminfo").items()}
    free, total, free_swap = (values.get(k) for k in ("MemAvailable", "SwapTotal", "SwapFree"))
    if free is None:
        return subject.unknown()
    swapping = context.cpu_usage is not None and context.cpu_usage.swapped_in > 0
    used_swap = "unknown" if total is None or free_swap is None else total - free_swap
    observation = f"{free} MiB free, {used_swap} MiB in swap"
    if free < _TOO_LOW_MIB:
        return subject.bad(observation, _MEMORY_USERS)
    if swapping:
        return subject.caution(f"{observation}, and the machine is swapping now", _MEMORY_USERS)
    if free < _LOW_MIB:
        return subject.caution(observation, _MEMORY_USERS)
    return subject.ok(observation)


def power(context: CheckContext) -> Finding:
    subject = Subject("power supply", "/sys/class/power_supply")
    state, plugged = battery(context.root), mains(context.root)
    if state is None:
        if plugged is None:
            return subject.unknown()
        return subject.ok("no battery: it runs on mains")
    charge = "unknown" if state.percent is None else f"{state.percent:.0f}%"
    if not state.discharging and (plugged or state.discharging is False):
        return subject.ok(f"plugged in, battery at {charge}")
    if state.discharging is None:
        return subject.unknown(f"battery at {charge}; unknown whether the device runs on it")
    if state.percent is not None and state.percent < _LOW_PERCENT:
        return subject.bad(f"on battery, at {charge}: it will switch off soon", "plug it in")
    return subject.caution(f"on battery, at {charge}: devices run slower on battery", "plug it in")


def mode(context: CheckContext) -> Finding:
    subject = Subject(
        "power mode", "/var/lib/nvpmodel/status, /sys/firmware/acpi/platform_profile"
    )
    status = _STATUS.search(text(context.root / "var/lib/nvpmodel/status"))
    if status:
        return _jetson_mode(subject, context, int(status.group(1)))
    profile = text(context.root / "sys/firmware/acpi/platform_profile")
    if not profile:
        return subject.unknown()
    if profile in ("performance", "balanced"):
        return subject.ok(profile)
    return subject.caution(
        f"{profile}: the chip gets less power than it can use",
        f"powerprofilesctl set balanced    # to undo: echo {profile} | sudo tee "
        "/sys/firmware/acpi/platform_profile",
    )


def _jetson_mode(subject: Subject, context: CheckContext, current: int) -> Finding:
    modes = {
        int(number): title
        for number, title in _MODE.findall(text(context.root / "etc/nvpmodel.conf"))
    }
    full_power = [number for number, title in modes.items() if title.startswith("MAXN")]
    observation = f"mode {current} ({modes.get(current, 'unnamed')})"
    if not modes:
        return subject.ok(f"{observation}; the other modes are unknown")
    if current in full_power or not full_power:
        return subject.ok(observation)
    best = full_power[-1]
    return subject.caution(
        f"{observation}, with fewer cores or lower clocks than {modes[best]}. That is right if "
        "your networks will run that way",
        f"sudo nvpmodel -m {best}    # to undo: sudo nvpmodel -m {current}. `sudo jetson_clocks` "
        "then fixes the clocks",
    )


def _mib(value: str) -> int | None:
    kib = integer(value.removesuffix("kB"))
    return None if kib is None else kib // 1024
