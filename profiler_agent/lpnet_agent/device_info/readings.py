"""Readings of a device that change by the minute: heat, battery, and load.

Everything is read below a root, the file system or a recorded copy of it. A value that the device
does not expose is None, never a substitute.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.device_info.sysfs import entries, number, text

# A sensor that is off or not connected reports -274000, -40000, 0 or a word of ones.
_COLDEST_C = 1.0
_HOTTEST_C = 150.0

# Qualcomm registers zones of other quantities: battery current in mA, voltages in mV, charge in
# percent, brown-out levels.
_NO_TEMPERATURE = re.compile(r"ibat|vbat|vph|bcl|^socd?$|-lvl\d$")

# Cooling devices that slow a CPU: those of ACPI, of cpufreq under its old and new names, and of a
# Jetson. Intel's TCC offset is not one: its state is a setting.
_CPU_COOLING = re.compile(r"^processor$|cpufreq|cpu-?throttle", re.IGNORECASE)

# Status of a supply of type Battery (Documentation/ABI/testing/sysfs-class-power).
_DISCHARGING = {"Discharging": True, "Charging": False, "Full": False, "Not charging": False}
# The scope of a mouse's or headset's battery, which does not power the device.
_OTHER_DEVICE = "Device"


@dataclass(frozen=True)
class Battery:
    """Charge in percent of full, and whether the battery powers the device; None if unknown."""

    percent: float | None
    discharging: bool | None


def temperature_c(root: Path = Path("/")) -> float | None:
    """Temperature of the hottest thermal zone, degrees C; None if no zone can be read."""
    return max((zone.temperature_c for zone in thermal_zones(root)), default=None)


@dataclass(frozen=True)
class Zone:
    """A readable thermal zone; `kind` is the vendor's name for it."""

    name: str
    kind: str
    temperature_c: float


def thermal_zones(root: Path = Path("/")) -> tuple[Zone, ...]:
    """The readable zones, without those that are off or fail."""
    zones = []
    for folder in entries(root / "sys/class/thermal", "thermal_zone*"):
        # Every zone is in millidegrees (sysfs-class-thermal). A small number therefore means that
        # the zone is off, not that it is in whole degrees.
        value = number(folder / "temp")
        kind = text(folder / "type") or "unnamed"
        if value is None or _NO_TEMPERATURE.search(kind):
            continue
        if _COLDEST_C <= value / 1000 <= _HOTTEST_C:
            zones.append(Zone(folder.name, kind, value / 1000))
    return tuple(zones)


def cpu_cooling(root: Path = Path("/")) -> dict[str, int]:
    """State of each cooling device that slows a CPU, by type and folder; 0 is off. Empty if none
    is exposed."""
    return {
        f"{kind} ({folder.name})": state
        for folder in entries(root / "sys/class/thermal", "cooling_device*")
        if _CPU_COOLING.search(kind := text(folder / "type"))
        and (state := number(folder / "cur_state")) is not None
    }


def battery(root: Path = Path("/")) -> Battery | None:
    """The battery of this device; None if none is exposed.

    With several batteries the lowest charge counts, and the device discharges if any of them does.
    """
    batteries = [
        _battery(folder)
        for folder in entries(root / "sys/class/power_supply", "*")
        if text(folder / "type") == "Battery"
        and text(folder / "scope") != _OTHER_DEVICE
        and text(folder / "present") != "0"
    ]
    if not batteries:
        return None
    states = {b.discharging for b in batteries}
    return Battery(
        percent=min((b.percent for b in batteries if b.percent is not None), default=None),
        discharging=True if True in states else None if None in states else False,
    )


def mains(root: Path = Path("/")) -> bool | None:
    """Whether a power supply other than a battery powers the device; None if none is listed."""
    online = [
        value > 0
        for folder in entries(root / "sys/class/power_supply", "*")
        if text(folder / "type") not in ("", "Battery")
        and (value := number(folder / "online")) is not None
    ]
    return any(online) if online else None


def load(root: Path = Path("/")) -> tuple[float | None, int | None]:
    """Load average of the last minute, and the number of threads that run or wait for a CPU, this
    one included; None if not exposed."""
    columns = text(root / "proc/loadavg").split()
    if len(columns) < 4:
        return None, None
    try:
        return float(columns[0]), int(columns[3].partition("/")[0])
    except ValueError:
        return None, None


def _battery(folder: Path) -> Battery:
    percent = number(folder / "capacity")
    return Battery(
        percent=float(percent) if percent is not None and 0 <= percent <= 100 else None,
        discharging=_DISCHARGING.get(text(folder / "status")),
    )
