"""With whom the measured cores are shared, and whether they may be used at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lpnet_agent.device_info import readings
from lpnet_agent.device_info.sysfs import cpu_list, fields, integer, text
from lpnet_agent.doctor.finding import (
    NOT_EXPOSED,
    NOT_THIS_MACHINE,
    Finding,
    Scope,
    listed,
    unknown,
)

# Shares of a core that others use, in one second of watching.
_NOTICED = 0.10
_SPOILT = 0.50
_STOLEN = 0.01


def allowed(scope: Scope) -> Finding:
    """Whether there are cores enough that this process may use, and be pinned to."""
    name, looked = "cores", "affinity (Cpus_allowed_list), cgroup cpuset"
    mine = allowed_cores(scope.root)
    if mine is None:
        return unknown(name, looked, "not exposed here: processes cannot be pinned")
    threads = scope.settings.threads
    words = f"{len(mine)} may be used: {listed(mine)}"
    if threads > len(mine):
        return Finding(
            name,
            "bad",
            looked,
            f"{words}; {threads} threads need as many",
            f"lpnet-agent doctor --threads {len(mine)}    # or allow more cores (taskset, cpuset)",
        )
    if scope.live and scope.cores is not None and (refusal := _pinning_fails(scope.cores)):
        return Finding(name, "bad", looked, f"{words}; pinning fails: {refusal}", "id; ulimit -a")
    if threads == len(mine):
        return Finding(
            name,
            "attend",
            looked,
            f"{words}, all of them measured on: the agent's own work and the system's disturb it",
            f"lpnet-agent doctor --threads {len(mine) - 1}" if threads > 1 else "taskset -p $$",
        )
    return Finding(name, "ok", looked, f"{words}; measured on: {listed(scope.cores or ())}")


def quota(scope: Scope) -> Finding:
    """Whether a container's quota pauses the process when it has used its share."""
    name, looked = "CPU quota", "cgroup cpu.max, or cpu.cfs_quota_us"
    quotas = list(_quotas(scope.root))
    if not quotas:
        return unknown(name, looked)
    least = min((found for found in quotas if found is not None), default=None)
    if least is None:
        return Finding(name, "ok", looked, "none")
    words = f"{least:g} CPUs in every period"
    # The agent itself needs a little beside its measuring process.
    if least >= scope.settings.threads + 1:
        return Finding(name, "ok", looked, f"{words}, more than is used")
    return Finding(
        name,
        "bad",
        looked,
        f"{words}: the kernel pauses the process in the middle of a run when they are used up",
        f"docker update --cpus 0 CONTAINER    # or a quota of {scope.settings.threads + 1} CPUs",
    )


def siblings(scope: Scope) -> Finding:
    """Whether a measured core is half of a physical one, whose other half others use."""
    name, looked = "hyper-threads", "topology/thread_siblings_list of the measured cores"
    mine = set(scope.cores or ())
    pairs = {
        core: cpu_list(text(scope.cpu(core) / "topology/thread_siblings_list")) for core in mine
    }
    if not pairs or None in pairs.values():
        return unknown(name, looked)
    if _virtual(scope.root):
        return unknown(name, looked, f"{NOT_EXPOSED}: a virtual machine shows what its host likes")
    others = {other for pair in pairs.values() for other in pair or ()} - mine
    shared = [core for core, pair in pairs.items() if len(mine & set(pair or ())) > 1]
    if not others and not shared:
        return Finding(name, "ok", looked, "every measured core is a physical core of its own")
    words = (
        f"measured cores are halves of physical ones, whose other halves are "
        f"{listed(tuple(sorted(others)))}: work there slows these down, and no counter shows it"
        if others
        else f"{listed(tuple(sorted(shared)))} are halves of the same physical core"
    )
    return Finding(
        name, "attend", looked, words, "echo off | sudo tee /sys/devices/system/cpu/smt/control"
    )


def isolation(scope: Scope) -> Finding:
    """Whether cores are kept free of other work. Information: few devices have any."""
    name, looked = "isolated cores", "/sys/devices/system/cpu/isolated"
    path = scope.root / "sys/devices/system/cpu/isolated"
    if not path.exists():
        return unknown(name, looked)
    cores = cpu_list(text(path))
    if cores is None:
        return Finding(name, "ok", looked, "none, as usual")
    kept = set(scope.cores or ()) <= set(cores)
    words = "the measured ones among them" if kept else "not the measured ones"
    return Finding(name, "ok", looked, f"{listed(cores)}, {words}")


def load(scope: Scope) -> Finding:
    """Who else keeps the machine busy."""
    name, looked = "load", "every process and core, for one second; /proc/loadavg"
    last_minute, _ = readings.load(scope.root)
    average = "unknown" if last_minute is None else f"{last_minute:.2f}"
    if scope.watched is None:
        return unknown(name, looked, f"{NOT_THIS_MACHINE}; its load average was {average}")
    busy = scope.watched.busy
    mine = max((busy.get(core, 0.0) for core in scope.cores or tuple(busy)), default=0.0)
    users = ", ".join(f"{u.name} ({u.pid}) {u.cpus:.0%}" for u in scope.watched.users) or "nobody"
    cores = ", ".join(f"{core}: {share:.0%}" for core, share in busy.items() if share > _NOTICED)
    words = f"load average {average}; cores busy: {cores or 'none'}; most by {users}"
    if mine > _SPOILT:
        return Finding(name, "bad", looked, f"{words}. A measured core is taken", _end(scope))
    if mine > _NOTICED or max(busy.values(), default=0.0) > _SPOILT:
        return Finding(
            name,
            "attend",
            looked,
            f"{words}. Others share caches and memory with what is measured",
            _end(scope),
        )
    return Finding(name, "ok", looked, words)


def steal(scope: Scope) -> Finding:
    """Whether this is a virtual machine, and what its host took from it."""
    name, looked = "virtual machine", "flags in /proc/cpuinfo; steal in /proc/stat"
    virtual = _virtual(scope.root)
    since = _stolen_share(scope.root)
    now = None if scope.watched is None else scope.watched.stolen
    if virtual is None:
        return unknown(name, looked, "not exposed here: this kind of CPU does not say")
    words = f"{_percent(since)} of CPU time stolen since start, {_percent(now)} just now"
    if not virtual:
        return Finding(name, "ok", looked, "no: the machine itself")
    much = max(since or 0.0, now or 0.0) > _STOLEN
    return Finding(
        name,
        "attend",
        looked,
        f"yes; {words}. Neighbours on the host share its caches and memory unseen"
        + ("; the host takes much" if much else ""),
        "lpnet-agent measure --space SPACE --out FILE --repeats 8    # shows the noise; SPACE: "
        "see `lpnet space`",
    )


def allowed_cores(root: Path) -> tuple[int, ...] | None:
    """The cores that this process may use; None where the system does not say."""
    return cpu_list(fields(root / "proc/self/status").get("Cpus_allowed_list", ""))


def _virtual(root: Path) -> bool | None:
    """Whether a hypervisor is below; None where the CPU does not say, as others than x86."""
    flags = fields(root / "proc/cpuinfo").get("flags", "").split()
    return "hypervisor" in flags if flags else None


def _pinning_fails(cores: tuple[int, ...]) -> str | None:
    """Try it, and put it back: why it fails, or None."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        return error.strerror
    os.sched_setaffinity(0, before)
    return None


def _quotas(root: Path) -> Iterator[float | None]:
    """Quotas in CPUs of this process's group and those above it; None for a group without."""
    for line in text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            if number == "0":
                for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                    yield from _quota(text(root / mount / group / "cpu.max").split())
            elif "cpu" in controllers.split(","):
                folder = root / "sys/fs/cgroup/cpu" / group
                words = [text(folder / f"cpu.cfs_{kind}_us") for kind in ("quota", "period")]
                yield from _quota(words)


def _quota(words: list[str]) -> Iterator[float | None]:
    if len(words) != 2 or not all(words):
        return
    used, period = integer(words[0]), integer(words[1])
    unlimited = words[0] == "max" or (used is not None and used < 0)
    if unlimited:
        yield None
    elif used is not None and period:
        yield used / period


def _stolen_share(root: Path) -> float | None:
    words = fields(root / "proc/stat", " ").get("cpu", "").split()
    ticks = [integer(word) or 0 for word in words[:8]]
    total = sum(ticks, 0)
    return ticks[7] / total if len(ticks) == 8 and total else None


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.1%}"


def _end(scope: Scope) -> str:
    users = scope.watched.users if scope.watched else ()
    return f"ps -fp {','.join(str(user.pid) for user in users)}" if users else "top"
