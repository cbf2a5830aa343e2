"""The machine watched for a moment: who uses which core."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from lpnet_agent.device_info.sysfs import fields, integer

WATCH_S = 1.0
_MOST_NAMED = 3


@dataclass(frozen=True)
class User:
    """A process and how many CPUs it kept busy."""

    pid: int
    name: str
    cpus: float


@dataclass(frozen=True)
class Watched:
    """What the machine did during `seconds`: the share of each core that was busy, of all CPU
    time what the hypervisor took (None where it does not say), pages swapped in, and who ran."""

    seconds: float
    busy: dict[int, float]
    stolen: float | None
    swapped_in: int
    users: tuple[User, ...]


@dataclass(frozen=True)
class _Times:
    """What a core did since the machine started, in any unit; stolen None where it is unsaid."""

    busy: float
    total: float
    stolen: float | None


def watch(seconds: float = WATCH_S) -> Watched:
    """Watch this machine. This process sleeps meanwhile and is left out of what it finds."""
    processes = _started()
    swapped, before = _swapped_in(), _times()
    time.sleep(seconds)
    after, users = _times(), _users(processes)
    # A core may be switched on or off meanwhile.
    both = [core for core in before if core in after and after[core].total > before[core].total]
    spent = {core: after[core].total - before[core].total for core in both}
    stolen = [
        (now - then) / spent[core]
        for core in both
        if (now := after[core].stolen) is not None and (then := before[core].stolen) is not None
    ]
    return Watched(
        seconds=seconds,
        busy={core: (after[core].busy - before[core].busy) / spent[core] for core in both},
        stolen=sum(stolen) / len(stolen) if stolen else None,
        swapped_in=max(0, _swapped_in() - swapped),
        users=users,
    )


def _times() -> dict[int, _Times]:
    """By core. The kernel's file names cores; psutil counts them, wrongly where one is off."""
    found = {}
    for name, words in fields(Path("/proc/stat"), " ").items():
        ticks = [integer(word) or 0 for word in words.split()[:8]]
        core = integer(name.removeprefix("cpu"))
        if core is not None and len(ticks) == 8:
            _, _, _, idle, waiting, _, _, stolen = ticks
            found[core] = _Times(sum(ticks) - idle - waiting, sum(ticks), stolen)
    if found:
        return found
    return {
        core: _Times(sum(times) - times.idle, sum(times), None)
        for core, times in enumerate(psutil.cpu_times(percpu=True))
    }


def _swapped_in() -> int:
    """Pages read back since the machine started; 0 where that is unsaid."""
    return integer(fields(Path("/proc/vmstat"), " ").get("pswpin", "")) or 0


def _started() -> list[psutil.Process]:
    """Every other process, its counter set to zero."""
    found = []
    for process in psutil.process_iter():
        try:
            process.cpu_percent()
        except psutil.Error:
            continue
        if process.pid != os.getpid():
            found.append(process)
    return found


def _users(processes: list[psutil.Process]) -> tuple[User, ...]:
    found = []
    for process in processes:
        try:
            found.append(User(process.pid, process.name(), process.cpu_percent() / 100))
        except psutil.Error:
            continue
    busiest = sorted(found, key=lambda user: -user.cpus)[:_MOST_NAMED]
    return tuple(user for user in busiest if user.cpus >= 0.02)
