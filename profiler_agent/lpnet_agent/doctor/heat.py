"""How warm the device is, and whether it slows down for that."""

from __future__ import annotations

from lpnet_agent.device_info.readings import Zone, cpu_cooling, thermal_zones
from lpnet_agent.device_info.sysfs import entries, number, text
from lpnet_agent.doctor.finding import Finding, Scope, unknown

_THERMAL = "sys/class/thermal"
# Where a zone does not say at which heat it slows the chip down.
_WARM_C = 85.0
_MARGIN_C = 5.0
_COOL = "let it cool and give it air; `journalctl -k | grep -i thermal` tells more"


def temperature(scope: Scope) -> Finding:
    """Whether a zone is close to the heat at which the chip is slowed down."""
    name, looked = "temperature", "thermal zones: temp, and their passive trip points"
    zones = thermal_zones(scope.root)
    if not zones:
        return unknown(name, looked)
    hottest = max(zones, key=lambda zone: zone.temperature_c)
    words = f"hottest of {len(zones)} zones: {hottest.kind} at {hottest.temperature_c:.1f} C"
    near = [(zone, limit) for zone in zones if (limit := _limit_c(scope, zone)) is not None]
    over = [pair for pair in near if pair[0].temperature_c >= pair[1]]
    close = [pair for pair in near if pair[0].temperature_c >= pair[1] - _MARGIN_C]
    for found in (over, close):
        if found:
            zone, limit = found[0]
            return Finding(
                name,
                "bad" if over else "attend",
                looked,
                f"{words}; {zone.kind} at {zone.temperature_c:.1f} C, and slowed down from "
                f"{limit:.0f} C on",
                _COOL,
            )
    if not near and hottest.temperature_c >= _WARM_C:
        words += "; at which heat it is slowed down is not said"
        return Finding(name, "attend", looked, words, _COOL)
    return Finding(name, "ok", looked, words)


def throttling(scope: Scope) -> Finding:
    """Whether cores were slowed down for heat since the machine started."""
    name, looked = "throttling so far", "thermal_throttle/core_throttle_count, package_..."
    counts = [
        count
        for folder in entries(scope.root / "sys/devices/system/cpu", "cpu[0-9]*")
        for kind in ("core", "package")
        if (count := number(folder / f"thermal_throttle/{kind}_throttle_count")) is not None
    ]
    if not counts:
        return unknown(name, looked)
    most = max(counts)
    if not most:
        return Finding(name, "ok", looked, "never since the machine started")
    return Finding(
        name,
        "attend",
        looked,
        f"up to {most} times since the machine started: it gets too hot under load",
        _COOL,
    )


def cooling(scope: Scope) -> Finding:
    """Whether something slows the CPU down at this moment."""
    name, looked = "throttling now", "cooling devices of the CPU: cur_state"
    states = cpu_cooling(scope.root)
    if not states:
        return unknown(name, looked)
    active = [f"{kind} at {state}" for kind, state in states.items() if state > 0]
    if not active:
        return Finding(name, "ok", looked, f"none of {len(states)} slows it down")
    return Finding(name, "bad", looked, f"slowed down now by {'; '.join(active)}", _COOL)


def _limit_c(scope: Scope, zone: Zone) -> float | None:
    """Where the zone begins to slow something down: its lowest passive trip point. An active one
    only starts a fan."""
    folder = scope.root / _THERMAL / zone.name
    found = []
    for kind in entries(folder, "trip_point_*_type"):
        value = number(kind.with_name(kind.name.removesuffix("type") + "temp"))
        if text(kind) in ("passive", "hot") and value is not None and value > 0:
            found.append(value / 1000)
    return min(found, default=None)
