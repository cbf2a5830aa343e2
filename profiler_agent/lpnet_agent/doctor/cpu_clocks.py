"""Checks of the clock of the measured cores, and of the settings that control it."""

from __future__ import annotations

from collections.abc import Iterable

from lpnet_agent.device_info.sysfs import entries, number, text
from lpnet_agent.doctor.finding import CheckContext, Finding, Subject, format_cores

_CPUS = "sys/devices/system/cpu"
# Governors that keep the clock where it is; all others follow the load.
_FIXED = frozenset({"performance", "userspace"})
_CAPPED = 0.995


def governor(context: CheckContext) -> Finding:
    subject = Subject("clock governor", "cpufreq/scaling_governor of the measured cores")
    governors = {
        core: text(context.cpu(core) / "cpufreq/scaling_governor") for core in context.cores or ()
    }
    if not governors or not all(governors.values()):
        return subject.unknown()
    cores_by_governor = _group(governors)
    observation = "; ".join(
        f"{name} on {format_cores(cores)}" for name, cores in cores_by_governor.items()
    )
    if cores_by_governor.keys() <= _FIXED:
        return subject.ok(observation)
    undo = "; ".join(_set_governor(name, cores) for name, cores in cores_by_governor.items())
    return subject.caution(
        f"{observation}: the clock follows the load. That is right if your networks will run that "
        "way; a fixed clock gives steadier results",
        f"{_set_governor('performance', governors)}    # to undo: {undo}",
    )


def boost(context: CheckContext) -> Finding:
    subject = Subject("turbo", "intel_pstate/no_turbo, cpufreq/boost")
    no_turbo = number(context.root / _CPUS / "intel_pstate/no_turbo")
    boost_state = number(context.root / _CPUS / "cpufreq/boost")
    if no_turbo is None and boost_state is None:
        return subject.unknown()
    if no_turbo == 1 or boost_state == 0:
        return subject.ok("off: the clock does not depend on the other cores")
    # The switch of intel_pstate turns turbo off with 1, the other one with 0.
    switch, off, on = "cpufreq/boost", 0, 1
    if no_turbo is not None:
        switch, off, on = "intel_pstate/no_turbo", 1, 0
    return subject.caution(
        "on: the clock depends on how many cores are busy, and on the temperature. That is right "
        "if your networks will run that way; results are steadier without turbo",
        f"echo {off} | sudo tee /{_CPUS}/{switch}    # to undo: echo {on} | sudo tee "
        f"/{_CPUS}/{switch}",
    )


def ceiling(context: CheckContext) -> Finding:
    subject = Subject("clock now", "cpufreq/scaling_cur_freq, scaling_max_freq, cpuinfo_max_freq")
    descriptions, capped = [], False
    for core in context.cores or ():
        current, limit, hardware_max = (
            number(context.cpu(core) / f"cpufreq/{kind}_freq")
            for kind in ("scaling_cur", "scaling_max", "cpuinfo_max")
        )
        if current is None or limit is None or hardware_max is None:
            return subject.unknown()
        descriptions.append(
            f"core {core} at {_ghz(current)}, allowed {_ghz(limit)} of {_ghz(hardware_max)}"
        )
        capped = capped or limit < hardware_max * _CAPPED
    if not descriptions:
        return subject.unknown()
    observation = "; ".join(descriptions)
    if not capped:
        return subject.ok(observation)
    return subject.caution(
        f"{observation}: limited by a power mode or because of heat",
        "sudo cpupower frequency-info    # shows the limit; on a Jetson see the power mode below",
    )


def clusters(context: CheckContext) -> Finding:
    subject = Subject("kind of cores", "cpu_capacity of every core")
    capacities = {
        int(folder.name[3:]): capacity
        for folder in entries(context.root / _CPUS, "cpu[0-9]*")
        if (capacity := number(folder / "cpu_capacity")) is not None
    }
    measured = {core: capacities[core] for core in context.cores or () if core in capacities}
    if not measured:
        return subject.unknown()
    if len(set(capacities.values())) == 1:
        return subject.ok("all cores are equal")
    observation = "; ".join(
        f"capacity {capacity} on {format_cores(cores)}"
        for capacity, cores in _group({core: str(c) for core, c in measured.items()}).items()
    )
    max_capacity = max(capacities.values())
    if set(measured.values()) == {max_capacity}:
        return subject.ok(f"{observation}, the fastest of this chip")
    fastest = ",".join(str(core) for core, c in capacities.items() if c == max_capacity)
    return subject.caution(
        f"{observation}; the fastest cores have {max_capacity}. Threads on unequal cores wait for "
        "the slowest",
        f"taskset -c {fastest} lpnet-agent run    # or fewer --threads",
    )


def _group(values: dict[int, str]) -> dict[str, tuple[int, ...]]:
    return {
        value: tuple(core for core, other in values.items() if other == value)
        for value in dict.fromkeys(values.values())
    }


def _set_governor(name: str, cores: Iterable[int]) -> str:
    files = " ".join(f"/{_CPUS}/cpu{core}/cpufreq/scaling_governor" for core in cores)
    return f"echo {name} | sudo tee {files}"


def _ghz(khz: int) -> str:
    return f"{khz / 1e6:.2f} GHz"
