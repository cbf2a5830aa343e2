"""The GPU that would be measured: who decides its clock, and who else uses it."""

from __future__ import annotations

from lpnet_agent.doctor.finding import NOT_THIS_MACHINE, Check, Finding, Scope, unknown
from lpnet_agent.gpu.conditions import between, refusal

_CAPPED = 0.995


def device(scope: Scope) -> Finding:
    """Which GPU it is."""
    name, looked = "GPU", "NVML: name, driver, memory, MIG, ECC"
    if scope.gpu is None:
        return unknown(name, looked, NOT_THIS_MACHINE)
    facts, refused = scope.gpu.facts, scope.gpu.refusal
    if refused is not None:
        return Finding(name, "bad", looked, refused, "nvidia-smi    # has to list the GPU")
    parts = [
        facts.name or "a GPU that does not say its name",
        f"driver {facts.driver or 'unknown'}",
        None if facts.memory_mib is None else f"{facts.memory_mib} MiB",
        f"MIG {_switch(facts.mig)}",
        f"ECC {_switch(facts.ecc)}",
    ]
    return Finding(name, "ok", looked, ", ".join(part for part in parts if part))


def clocks(scope: Scope) -> Finding:
    """Whether its clock follows load and heat."""
    name, looked = "GPU clock", "NVML: clocks, application clocks, clock event reasons"
    seen = scope.gpu
    if seen is None or seen.reading.sm_mhz is None:
        return unknown(name, looked)
    most, now = seen.settings.sm_max_mhz, seen.reading.sm_mhz
    words = f"{now} MHz now, at most {'unknown' if most is None else f'{most} MHz'}"
    if seen.reading.fixed:
        return Finding(name, "ok", looked, f"{words}, held by its owner's setting")
    return Finding(
        name,
        "attend",
        looked,
        f"{words}, not held anywhere: it follows load, heat and power. Right if networks will run "
        "so here; steadier figures come at a fixed clock",
        f"sudo nvidia-smi -lgc {most or 'MHZ'}    # back with -rgc. A lower clock can be held "
        "for longer",
    )


def persistence(scope: Scope) -> Finding:
    """Whether the driver stays loaded between measurements."""
    name, looked = "GPU persistence", "NVML: persistence mode"
    kept = None if scope.gpu is None else scope.gpu.reading.persistence
    if kept is None:
        return unknown(name, looked)
    if kept:
        return Finding(name, "ok", looked, "on: the driver keeps clocks and settings")
    words = "off: settings are lost, and it starts slowly, whenever nobody has used it"
    return Finding(name, "attend", looked, words, "sudo nvidia-smi -pm 1")


def company(scope: Scope) -> Finding:
    """Whether others compute on it."""
    name, looked = "others on the GPU", "NVML: compute processes"
    others = None if scope.gpu is None else scope.gpu.reading.others
    if others is None:
        return unknown(name, looked)
    if not others:
        return Finding(name, "ok", looked, "nobody else computes on it")
    words = f"{others} processes compute on it: samples would be marked as disturbed"
    return Finding(name, "bad", looked, words, "nvidia-smi    # says which")


def throttling(scope: Scope) -> Finding:
    """Whether something holds its clock down at this moment."""
    name, looked = "GPU throttling", "NVML: clock event reasons, temperature"
    seen = scope.gpu
    if seen is None or seen.reading.slowed_by is None:
        return unknown(name, looked)
    heat = seen.reading.temperature_c
    warm = "temperature unknown" if heat is None else f"{heat} C"
    whys = sorted(seen.reading.slowed_by)
    if not whys:
        return Finding(name, "ok", looked, f"nothing holds its clock down, {warm}")
    passing = refusal(between(seen.reading, seen.reading)) is not None
    return Finding(
        name,
        "bad" if passing else "attend",
        looked,
        f"its clock is held down by {', '.join(whys)}, {warm}",
        "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER",
    )


def display(scope: Scope) -> Finding:
    """Whether a screen is drawn by it."""
    name, looked = "display on the GPU", "NVML: display active"
    attached = None if scope.gpu is None else scope.gpu.settings.display
    if attached is None:
        return unknown(name, looked)
    if not attached:
        return Finding(name, "ok", looked, "none")
    words = "a display is drawn by it, between and during what is timed"
    return Finding(name, "attend", looked, words, "sudo systemctl isolate multi-user.target")


def power(scope: Scope) -> Finding:
    """Whether it may draw less than it is made for."""
    name, looked = "GPU power limit", "NVML: enforced and default power limit"
    limits = None if scope.gpu is None else scope.gpu.settings
    if limits is None or limits.power_w is None or limits.power_default_w is None:
        return unknown(name, looked)
    words = f"{limits.power_w:g} W of {limits.power_default_w:g} W"
    if limits.power_w >= _CAPPED * limits.power_default_w:
        return Finding(name, "ok", looked, words)
    return Finding(
        name,
        "attend",
        looked,
        f"{words}: under load it is slower than others of its kind. Right if networks will run so "
        "here; the limit is part of the target",
        f"sudo nvidia-smi -pl {limits.power_default_w:g}",
    )


CHECKS: tuple[Check, ...] = (device, clocks, persistence, company, throttling, display, power)


def _switch(state: bool | None) -> str:
    return "unknown" if state is None else "on" if state else "off"
