"""The limits that an owner sets, and whether a device can keep them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lpnet_agent.device_info.readings import battery, temperature_c
from lpnet_agent.errors import SetupError
from lpnet_agent.owner.load import other_runnable_processes
from lpnet_agent.owner.quiet_hours import QuietHours, parse_quiet_hours

if TYPE_CHECKING:
    from lpnet_agent.settings import Settings


@dataclass(frozen=True)
class Limits:
    """The limits, named as the settings are. None, or no quiet hours, means no limit."""

    quiet_hours: tuple[QuietHours, ...] = ()
    max_temperature_c: float | None = None
    min_battery_pct: float | None = None
    on_battery: bool = True
    max_share: float | None = None
    max_load: float | None = None


def limits_of(settings: Settings) -> Limits:
    return Limits(
        quiet_hours=parse_quiet_hours(settings.quiet_hours),
        max_temperature_c=settings.max_temperature_c,
        min_battery_pct=settings.min_battery_pct,
        on_battery=settings.on_battery,
        max_share=settings.max_share,
        max_load=settings.max_load,
    )


def check_limits(limits: Limits, root: Path = Path("/")) -> None:
    """Raises SetupError for limits that this device cannot keep, because no limit may be ignored
    silently."""
    faults = list(_unsupported(limits, root))
    if faults:
        raise SetupError("; ".join(faults))


def _unsupported(limits: Limits, root: Path) -> Iterator[str]:
    if limits.max_temperature_c is not None and temperature_c(root) is None:
        yield _fault("max_temperature_c", limits.max_temperature_c, "temperature")
    power = battery(root)
    if limits.min_battery_pct is not None and (power is None or power.percent is None):
        missing = "battery" if power is None else "charge of its battery"
        yield _fault("min_battery_pct", limits.min_battery_pct, missing)
    if not limits.on_battery and (power is None or power.discharging is None):
        missing = "battery" if power is None else "state of its battery"
        yield _fault("on_battery", "false", missing, flag="mains-only")
    if limits.max_load is not None and other_runnable_processes(root) is None:
        yield _fault("max_load", limits.max_load, "run queue")


def _fault(name: str, value: float | str, missing: str, flag: str = "") -> str:
    shown = value if isinstance(value, str) else f"{value:g}"
    option = f"--{flag or name.replace('_', '-')} (LPNET_AGENT_{name.upper()})"
    return (
        f"{name}={shown}: this device exposes no {missing}, so the limit cannot be kept; "
        f"to run without it, drop {option}"
    )
