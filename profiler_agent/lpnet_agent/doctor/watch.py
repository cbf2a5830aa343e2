"""The machine watched for a moment: who uses which core."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

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


def watch(seconds: float = WATCH_S) -> Watched:
    """Watch this machine. This process sleeps meanwhile and is left out of what it finds."""
    processes = _started()
    swapped, before = psutil.swap_memory().sin, psutil.cpu_times(percpu=True)
    time.sleep(seconds)
    after, users = psutil.cpu_times(percpu=True), _users(processes)
    shares = [_spent(first, second) for first, second in zip(before, after, strict=False)]
    steals = [steal for _, steal in shares if steal is not None]
    return Watched(
        seconds=seconds,
        busy={core: busy for core, (busy, _) in enumerate(shares)},
        stolen=sum(steals) / len(steals) if steals else None,
        swapped_in=max(0, psutil.swap_memory().sin - swapped),
        users=users,
    )


def _spent(before: object, after: object) -> tuple[float, float | None]:
    """Share of the time between in which a core was busy, and that was stolen from it."""
    names = before._fields  # type: ignore[attr-defined]
    # Time of guests is counted in user time already.
    spent = {
        name: max(0.0, getattr(after, name) - getattr(before, name))
        for name in names
        if not name.startswith("guest")
    }
    total = sum(spent.values())
    idle = spent.get("idle", 0.0) + spent.get("iowait", 0.0)
    if not total:
        return 0.0, None
    steal = spent["steal"] / total if "steal" in spent else None
    return 1 - idle / total, steal


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
