"""Checks of the temperature, and of throttling because of heat."""

from __future__ import annotations

from lpnet_agent.device_info.readings import Zone, cpu_cooling, thermal_zones
from lpnet_agent.device_info.sysfs import entries, number, text
from lpnet_agent.doctor.finding import CheckContext, Finding, Subject

_THERMAL = "sys/class/thermal"
# Assumed limit of zones that do not name the temperature at which the chip slows down.
_WARM_C = 85.0
_MARGIN_C = 5.0
_REMEDY = "let it cool and improve its airflow; `journalctl -k | grep -i thermal` shows details"


def temperature(context: CheckContext) -> Finding:
    subject = Subject("temperature", "thermal zones: temp, and their passive trip points")
    zones = thermal_zones(context.root)
    if not zones:
        return subject.unknown()
    hottest = max(zones, key=lambda zone: zone.temperature_c)
    observation = f"hottest of {len(zones)} zones: {hottest.kind} at {hottest.temperature_c:.1f} C"
    limits = [(zone, c) for zone in zones if (c := _limit_c(context, zone)) is not None]
    if not limits:
        if hottest.temperature_c < _WARM_C:
            return subject.ok(observation)
        return subject.caution(
            f"{observation}; the temperature at which it slows down is unknown", _REMEDY
        )
    for margin_c, report in ((0.0, subject.bad), (_MARGIN_C, subject.caution)):
        for zone, limit_c in limits:
            if zone.temperature_c >= limit_c - margin_c:
                return report(
                    f"{observation}; {zone.kind} at {zone.temperature_c:.1f} C slows down from "
                    f"{limit_c:.0f} C",
                    _REMEDY,
                )
    return subject.ok(observation)


def throttling(context: CheckContext) -> Finding:
    subject = Subject("throttling so far", "thermal_throttle/core_throttle_count, package_...")
    counts = [
        count
        for folder in entries(context.root / "sys/devices/system/cpu", "cpu[0-9]*")
        for kind in ("core", "package")
        if (count := number(folder / f"thermal_throttle/{kind}_throttle_count")) is not None
    ]
    if not counts:
        return subject.unknown()
    if not max(counts):
        return subject.ok("never since the machine started")
    return subject.caution(
        f"up to {max(counts)} times since the machine started: it gets too hot under load", _REMEDY
    )


def cooling(context: CheckContext) -> Finding:
    subject = Subject("throttling now", "cooling devices of the CPU: cur_state")
    states = cpu_cooling(context.root)
    if not states:
        return subject.unknown()
    active = [f"{kind} at {state}" for kind, state in states.items() if state > 0]
    if not active:
        return subject.ok(f"none of {len(states)} cooling devices slows it down")
    return subject.bad(f"slowed down now by {'; '.join(active)}", _REMEDY)


def _limit_c(context: CheckContext, zone: Zone) -> float | None:
    """The lowest trip point that throttles something. Active trip points only start a fan."""
    limits = []
    for kind in entries(context.root / _THERMAL / zone.name, "trip_point_*_type"):
        value = number(kind.with_name(kind.name.removesuffix("type") + "temp"))
        if text(kind) in ("passive", "hot") and value is not None and value > 0:
            limits.append(value / 1000)
    return min(limits, default=None)
