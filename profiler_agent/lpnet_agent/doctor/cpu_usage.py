"""How busy every core is, and which processes use them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from lpnet_agent.device_info.sysfs import fields, integer

DURATION_S = 1.0
_MAX_PROCESSES = 3
_MIN_CPUS = 0.02


@dataclass(frozen=True)
class CpuProcess:
    """A process, and how many CPUs it kept busy."""

    pid: int
    name: str
    cpus: float


@dataclass(frozen=True)
class CpuUsage:
    """What the machine did during `seconds`.

    `busy` is the busy share of each core. `stolen` is the share of all CPU time that the
    hypervisor took, None if not exposed. `swapped_in` counts pages. `processes` are the busiest.
    """

    seconds: float
    busy: dict[int, float]
    stolen: float | None
    swapped_in: int
    processes: tuple[CpuProcess, ...]


@dataclass(frozen=True)
class _CoreTimes:
    """Times of a core since the machine started, in any unit; `stolen` is None if not exposed."""

    busy: float
    total: float
    stolen: float | None


def read_cpu_usage(seconds: float = DURATION_S) -> CpuUsage:
    """Observe this machine for some seconds. This process sleeps meanwhile, and is not counted."""
    other_processes = _other_processes()
    swapped_in, before = _swapped_in(), _core_times()
    time.sleep(seconds)
    after, processes = _core_times(), _busiest(other_processes)
    # A core may be switched on or off meanwhile.
    cores = [core for core in before if core in after and after[core].total > before[core].total]
    elapsed = {core: after[core].total - before[core].total for core in cores}
    stolen = [
        (end - start) / elapsed[core]
        for core in cores
        if (end := after[core].stolen) is not None and (start := before[core].stolen) is not None
    ]
    return CpuUsage(
        seconds=seconds,
        busy={core: (after[core].busy - before[core].busy) / elapsed[core] for core in cores},
        stolen=sum(stolen) / len(stolen) if stolen else None,
        swapped_in=max(0, _swapped_in() - swapped_in),
        processes=processes,
    )


def _core_times() -> dict[int, _CoreTimes]:
    """Times by the kernel's core numbers. psutil numbers the cores by counting, which is wrong if
    one is off."""
    times = {}
    for name, line in fields(Path("/proc/stat"), " ").items():
        ticks = [integer(column) or 0 for column in line.split()[:8]]
        core = integer(name.removeprefix("cpu"))
        if core is not None and len(ticks) == 8:
            _, _, _, idle, waiting, _, _, stolen = ticks
            times[core] = _CoreTimes(sum(ticks) - idle - waiting, sum(ticks), stolen)
    if times:
        return times
    return {
        core: _CoreTimes(sum(values) - values.idle, sum(values), None)
        for core, values in enumerate(psutil.cpu_times(percpu=True))
    }


def _swapped_in() -> int:
    """Pages swapped in since the machine started; 0 if not exposed."""
    return integer(fields(Path("/proc/vmstat"), " ").get("pswpin", "")) or 0


def _other_processes() -> list[psutil.Process]:
    """Every other process, with its CPU counter reset."""
    processes = []
    for process in psutil.process_iter():
        try:
            process.cpu_percent()
        except psutil.Error:
            continue
        if process.pid != os.getpid():
            processes.append(process)
    return processes


def _busiest(processes: list[psutil.Process]) -> tuple[CpuProcess, ...]:
    usages = []
    for process in processes:
        try:
            usages.append(CpuProcess(process.pid, process.name(), process.cpu_percent() / 100))
        except psutil.Error:
            continue
    busiest = sorted(usages, key=lambda usage: -usage.cpus)[:_MAX_PROCESSES]
    return tuple(usage for usage in busiest if usage.cpus >= _MIN_CPUS)
