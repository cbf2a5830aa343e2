"""The limits that an owner sets, and whether this device lets them be kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lpnet_agent.device_info.readings import battery, temperature_c
from lpnet_agent.errors import BadSetup
from lpnet_agent.owner.hours import QuietHours, parse
from lpnet_agent.owner.load import others_runnable

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings


@dataclass(frozen=True)
class Limits:
    """None, or no quiet hours, is no limit. Named as the settings are."""

    quiet_hours: tuple[QuietHours, ...] = ()
    max_temperature_c: float | None = None
    min_battery_pct: float | None = None
    on_battery: bool = True
    max_share: float | None = None
    max_load: float | None = None


def limits_of(settings: Settings) -> Limits:
    """The limits among the settings, which have checked them."""
    return Limits(
        quiet_hours=parse(settings.quiet_hours),
        max_temperature_c=settings.max_temperature_c,
        min_battery_pct=settings.min_battery_pct,
        on_battery=settings.on_battery,
        max_share=settings.max_share,
        max_load=settings.max_load,
    )


def check(limits: Limits, root: Path = Path("/")) -> None:
    """Raises BadSetup for limits that cannot be kept here: they must not be ignored in silence."""
    faults = list(_unkept(limits, root))
    if faults:
        raise BadSetup("; ".join(faults))


def _unkept(limits: Limits, root: Path) -> Iterator[str]:
    if limits.max_temperature_c is not None and temperature_c(root) is None:
        yield _cannot("max_temperature_c", limits.max_temperature_c, "temperature")
    power = battery(root)
    if limits.min_battery_pct is not None and (power is None or power.percent is None):
        lacking = "battery" if power is None else "charge of its battery"
        yield _cannot("min_battery_pct", limits.min_battery_pct, lacking)
    if not limits.on_battery and (power is None or power.discharging is None):
        lacking = "battery" if power is None else "state of its battery"
        yield _cannot("on_battery", "false", lacking, option="mains-only")
    if limits.max_load is not None and others_runnable(root) is None:
        yield _cannot("max_load", limits.max_load, "run queue")


def _cannot(name: str, value: float | str, lacking: str, option: str = "") -> str:
    shown = value if isinstance(value, str) else f"{value:g}"
    drop = f"--{option or name.replace('_', '-')} (LPNET_AGENT_{name.upper()})"
    return (
        f"{name}={shown}: this device exposes no {lacking}, so the limit cannot be kept; "
        f"to run without it drop {drop}"
    )
