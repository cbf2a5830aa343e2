"""Readings of a device that change by the minute: its heat, its battery, and its load.

Everything is read below a root, the file system or a recorded copy of it. What a device does not
expose is None, never a number that stands in for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.device_info.sysfs import entries, number, text

# A sensor that is switched off or not wired reports -274000, -40000, 0 or an all-ones word.
_COLDEST_C = 1.0
_HOTTEST_C = 150.0

# Qualcomm registers zones of other things: battery current in mA, voltages in mV, charge in
# percent, brown-out levels.
_NO_TEMPERATURE = re.compile(r"ibat|vbat|vph|bcl|^socd?$|-lvl\d$")

# Cooling devices that slow a CPU: ACPI's, cpufreq's under its names old and new, and a Jetson's.
# Not Intel's TCC offset, whose state is a setting.
_CPU_COOLING = re.compile(r"^processor$|cpufreq|cpu-?throttle", re.IGNORECASE)

# What a supply with `type` Battery says of itself (Documentation/ABI/testing/sysfs-class-power).
_DISCHARGING = {"Discharging": True, "Charging": False, "Full": False, "Not charging": False}
# A mouse or headset of its own is a battery too; it does not feed the device.
_OTHER_DEVICE = "Device"


@dataclass(frozen=True)
class Battery:
    """The device's battery: charge in percent of full, and whether it is what feeds the device.
    None where the battery does not say."""

    percent: float | None
    discharging: bool | None


def temperature_c(root: Path = Path("/")) -> float | None:
    """The hottest thermal zone, degrees C; None where no zone can be read."""
    return max((zone.temperature_c for zone in thermal_zones(root)), default=None)


@dataclass(frozen=True)
class Zone:
    """A thermal zone that says its temperature; `kind` is what the vendor calls it."""

    name: str
    kind: str
    temperature_c: float


def thermal_zones(root: Path = Path("/")) -> tuple[Zone, ...]:
    """The zones that can be read; those that are switched off or fail are left out."""
    found = []
    for folder in entries(root / "sys/class/thermal", "thermal_zone*"):
        # The kernel's contract is millidegrees for every zone (sysfs-class-thermal), so a small
        # number is a zone that is off and not one in whole degrees.
        value = number(folder / "temp")
        kind = text(folder / "type") or "unnamed"
        if value is None or _NO_TEMPERATURE.search(kind):
            continue
        if _COLDEST_C <= value / 1000 <= _HOTTEST_C:
            found.append(Zone(folder.name, kind, value / 1000))
    return tuple(found)


def cpu_cooling(root: Path = Path("/")) -> dict[str, int]:
    """State of each cooling device that slows a CPU down, by its type and folder: 0 is not at all.
    Empty where none is exposed."""
    return {
        f"{kind} ({folder.name})": state
        for folder in entries(root / "sys/class/thermal", "cooling_device*")
        if _CPU_COOLING.search(kind := text(folder / "type"))
        and (state := number(folder / "cur_state")) is not None
    }


def battery(root: Path = Path("/")) -> Battery | None:
    """The battery that feeds this device; None where none is exposed.

    Of several the lowest charge counts, and one that discharges makes the device discharge.
    """
    found = [
        _battery(folder)
        for folder in entries(root / "sys/class/power_supply", "*")
        if text(folder / "type") == "Battery"
        and text(folder / "scope") != _OTHER_DEVICE
        and text(folder / "present") != "0"
    ]
    if not found:
        return None
    states = {one.discharging for one in found}
    return Battery(
        percent=min((b.percent for b in found if b.percent is not None), default=None),
        discharging=True if True in states else None if None in states else False,
    )


def mains(root: Path = Path("/")) -> bool | None:
    """Whether a power supply other than a battery feeds the device; None where none is listed."""
    online = [
        value > 0
        for folder in entries(root / "sys/class/power_supply", "*")
        if text(folder / "type") not in ("", "Battery")
        and (value := number(folder / "online")) is not None
    ]
    return any(online) if online else None


def load(root: Path = Path("/")) -> tuple[float | None, int | None]:
    """Load average of the last minute, and how many threads run or wait for a CPU now, the one
    that asks included; None where it is not exposed."""
    words = text(root / "proc/loadavg").split()
    if len(words) < 4:
        return None, None
    try:
        return float(words[0]), int(words[3].partition("/")[0])
    except ValueError:
        return None, None


def _battery(folder: Path) -> Battery:
    percent = number(folder / "capacity")
    return Battery(
        percent=float(percent) if percent is not None and 0 <= percent <= 100 else None,
        discharging=_DISCHARGING.get(text(folder / "status")),
    )
