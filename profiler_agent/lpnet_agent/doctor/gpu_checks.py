"""Checks of the GPU that would be measured."""

from __future__ import annotations

from lpnet_agent.doctor.finding import NOT_RECORDED, Check, CheckContext, Finding, Subject
from lpnet_agent.gpu.conditions import between, rejection

# A power limit below this part of the default is reported.
_CAPPED = 0.995


def device(context: CheckContext) -> Finding:
    subject = Subject("GPU", "NVML: name, driver, memory, MIG, ECC")
    if context.gpu is None:
        return subject.unknown(NOT_RECORDED)
    if context.gpu.error is not None:
        return subject.bad(context.gpu.error, "nvidia-smi    # must list the GPU")
    facts = context.gpu.facts
    parts = [
        facts.name or "an unnamed GPU",
        f"driver {facts.driver or 'unknown'}",
        None if facts.memory_mib is None else f"{facts.memory_mib} MiB",
        f"MIG {_switch(facts.mig)}",
        f"ECC {_switch(facts.ecc)}",
    ]
    return subject.ok(", ".join(part for part in parts if part))


def clocks(context: CheckContext) -> Finding:
    subject = Subject("GPU clock", "NVML: clocks, application clocks, clock event reasons")
    if context.gpu is None or context.gpu.reading.sm_mhz is None:
        return subject.unknown()
    reading, max_mhz = context.gpu.reading, context.gpu.settings.sm_max_mhz
    limit = "unknown" if max_mhz is None else f"{max_mhz} MHz"
    observation = f"{reading.sm_mhz} MHz now, maximum {limit}"
    if reading.fixed:
        return subject.ok(f"{observation}, fixed by its owner")
    return subject.caution(
        f"{observation}, not fixed: it follows load, temperature and power. That is right if your "
        "networks will run that way; a fixed clock gives steadier results",
        f"sudo nvidia-smi -lgc {max_mhz or 'MHZ'}    # to undo: sudo nvidia-smi -rgc. A lower "
        "clock can be sustained for longer",
    )


def persistence(context: CheckContext) -> Finding:
    subject = Subject("GPU persistence", "NVML: persistence mode")
    enabled = None if context.gpu is None else context.gpu.reading.persistence
    if enabled is None:
        return subject.unknown()
    if enabled:
        return subject.ok("on: the driver keeps clocks and settings")
    return subject.caution(
        "off: whenever the GPU is unused, the driver unloads and its settings are lost",
        "sudo nvidia-smi -pm 1",
    )


def other_processes(context: CheckContext) -> Finding:
    subject = Subject("others on the GPU", "NVML: compute processes")
    count = None if context.gpu is None else context.gpu.reading.other_processes
    if count is None:
        return subject.unknown()
    if not count:
        return subject.ok("no other process computes on it")
    return subject.bad(
        f"{count} other processes compute on it: samples would be marked as disturbed",
        "nvidia-smi    # lists them",
    )


def throttling(context: CheckContext) -> Finding:
    subject = Subject("GPU throttling", "NVML: clock event reasons, temperature")
    if context.gpu is None or context.gpu.reading.slowed_by is None:
        return subject.unknown()
    reading, causes = context.gpu.reading, sorted(context.gpu.reading.slowed_by or ())
    temperature = "temperature unknown"
    if reading.temperature_c is not None:
        temperature = f"{reading.temperature_c} C"
    if not causes:
        return subject.ok(f"its clock is not limited, {temperature}")
    observation = f"its clock is limited by {', '.join(causes)}, {temperature}"
    remedy = "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER"
    if rejection(between(reading, reading)) is not None:
        return subject.bad(observation, remedy)
    return subject.caution(observation, remedy)


def display(context: CheckContext) -> Finding:
    subject = Subject("display on the GPU", "NVML: display active")
    attached = None if context.gpu is None else context.gpu.settings.display
    if attached is None:
        return subject.unknown()
    if not attached:
        return subject.ok("none")
    return subject.caution(
        "it drives a display, also while networks are timed",
        "sudo systemctl isolate multi-user.target    # to undo: sudo systemctl isolate "
        "graphical.target",
    )


def power(context: CheckContext) -> Finding:
    subject = Subject("GPU power limit", "NVML: enforced and default power limit")
    limits = None if context.gpu is None else context.gpu.settings
    if limits is None or limits.power_w is None or limits.power_default_w is None:
        return subject.unknown()
    observation = f"{limits.power_w:g} W of {limits.power_default_w:g} W"
    if limits.power_w >= _CAPPED * limits.power_default_w:
        return subject.ok(observation)
    return subject.caution(
        f"{observation}: under load it is slower than other GPUs of its kind. That is right if "
        "your networks will run that way; the limit is part of the target",
        f"sudo nvidia-smi -pl {limits.power_default_w:g}    # to undo: sudo nvidia-smi -pl "
        f"{limits.power_w:g}",
    )


CHECKS: tuple[Check, ...] = (
    device,
    clocks,
    persistence,
    other_processes,
    throttling,
    display,
    power,
)


def _switch(state: bool | None) -> str:
    return "unknown" if state is None else "on" if state else "off"
