"""Checks of the cores: which may be used, and what else uses them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lpnet_agent.device_info import readings
from lpnet_agent.device_info.sysfs import cpu_list, fields, integer, text
from lpnet_agent.doctor.finding import (
    NOT_EXPOSED,
    NOT_RECORDED,
    CheckContext,
    Finding,
    Subject,
    format_cores,
)

# Shares of a core that other processes use.
_NOTICEABLE = 0.10
_TOO_BUSY = 0.50
_MUCH_STOLEN = 0.01


def allowed(context: CheckContext) -> Finding:
    subject = Subject("cores", "affinity (Cpus_allowed_list), cgroup cpuset")
    cores = allowed_cores(context.root)
    if cores is None:
        return subject.unknown("not exposed here: processes cannot be pinned")
    threads = context.settings.threads
    observation = f"{len(cores)} may be used: {format_cores(cores)}"
    if threads > len(cores):
        return subject.bad(
            f"{observation}; {threads} threads need {threads} cores",
            f"lpnet-agent doctor --threads {len(cores)}    # or allow more (taskset, cpuset)",
        )
    if context.live and context.cores is not None and (error := _pinning_error(context.cores)):
        return subject.bad(f"{observation}; pinning fails: {error}", "id; ulimit -a")
    if threads == len(cores):
        return subject.caution(
            f"{observation}, and all are measured: other work, also the agent's own, disturbs the "
            "measurements",
            f"lpnet-agent doctor --threads {len(cores) - 1}" if threads > 1 else "taskset -p $$",
        )
    return subject.ok(f"{observation}; measured: {format_cores(context.cores or ())}")


def quota(context: CheckContext) -> Finding:
    subject = Subject("CPU quota", "cgroup cpu.max, or cpu.cfs_quota_us")
    quotas = list(_quotas(context.root))
    if not quotas:
        return subject.unknown()
    lowest = min((cpus for cpus in quotas if cpus is not None), default=None)
    if lowest is None:
        return subject.ok("none")
    observation = f"{lowest:g} CPUs in every period"
    # The agent itself needs some CPU time beside its measuring process.
    needed = context.settings.threads + 1
    if lowest >= needed:
        return subject.ok(f"{observation}, more than is used")
    return subject.bad(
        f"{observation}: the kernel pauses the process in the middle of a run once they are used "
        "up",
        f"docker update --cpus 0 CONTAINER    # or a quota of {needed} CPUs",
    )


def siblings(context: CheckContext) -> Finding:
    """Whether a measured core is a hyper-thread of a physical core that others use too."""
    subject = Subject("hyper-threads", "topology/thread_siblings_list of the measured cores")
    measured = set(context.cores or ())
    pairs = {
        core: cpu_list(text(context.cpu(core) / "topology/thread_siblings_list"))
        for core in measured
    }
    if not pairs or None in pairs.values():
        return subject.unknown()
    if _is_virtual(context.root):
        return subject.unknown(f"{NOT_EXPOSED}: a virtual machine need not show the real cores")
    unmeasured = {sibling for pair in pairs.values() for sibling in pair or ()} - measured
    shared = [core for core, pair in pairs.items() if len(measured & set(pair or ())) > 1]
    if not unmeasured and not shared:
        return subject.ok("every measured core is a physical core of its own")
    if unmeasured:
        observation = (
            "measured cores share their physical cores with "
            f"{format_cores(tuple(sorted(unmeasured)))}: work there slows them down, and no "
            "counter shows it"
        )
    else:
        observation = f"{format_cores(tuple(sorted(shared)))} are on the same physical core"
    control = "/sys/devices/system/cpu/smt/control"
    return subject.caution(
        observation, f"echo off | sudo tee {control}    # to undo: echo on | sudo tee {control}"
    )


def isolation(context: CheckContext) -> Finding:
    subject = Subject("isolated cores", "/sys/devices/system/cpu/isolated")
    path = context.root / "sys/devices/system/cpu/isolated"
    if not path.exists():
        return subject.unknown()
    isolated = cpu_list(text(path))
    if isolated is None:
        return subject.ok("none, as usual")
    measured = set(context.cores or ()) <= set(isolated)
    suffix = "which include the measured ones" if measured else "not the measured ones"
    return subject.ok(f"{format_cores(isolated)}, {suffix}")


def load(context: CheckContext) -> Finding:
    subject = Subject("load", "every process and core, for one second; /proc/loadavg")
    last_minute, _ = readings.load(context.root)
    average = "unknown" if last_minute is None else f"{last_minute:.2f}"
    usage = context.cpu_usage
    if usage is None:
        return subject.unknown(f"{NOT_RECORDED}; its load average was {average}")
    busy = usage.busy
    measured = max((busy.get(core, 0.0) for core in context.cores or tuple(busy)), default=0.0)
    cores = ", ".join(
        f"{core}: {share:.0%}" for core, share in busy.items() if share > _NOTICEABLE
    )
    processes = ", ".join(f"{p.name} ({p.pid}) {p.cpus:.0%}" for p in usage.processes)
    observation = (
        f"load average {average}; busy cores: {cores or 'none'}; busiest processes: "
        f"{processes or 'none'}"
    )
    pids = ",".join(str(process.pid) for process in usage.processes)
    remedy = f"ps -fp {pids}" if pids else "top"
    if measured > _TOO_BUSY:
        return subject.bad(f"{observation}. A measured core is busy", remedy)
    if measured > _NOTICEABLE or max(busy.values(), default=0.0) > _TOO_BUSY:
        return subject.caution(
            f"{observation}. They share caches and memory with what is measured", remedy
        )
    return subject.ok(observation)


def steal(context: CheckContext) -> Finding:
    subject = Subject("virtual machine", "flags in /proc/cpuinfo; steal in /proc/stat")
    virtual = _is_virtual(context.root)
    if virtual is None:
        return subject.unknown("not exposed here: this kind of CPU does not report it")
    if not virtual:
        return subject.ok("no")
    since_start = _stolen_share(context.root)
    current = None if context.cpu_usage is None else context.cpu_usage.stolen
    much = max(since_start or 0.0, current or 0.0) > _MUCH_STOLEN
    return subject.caution(
        f"yes; {_percent(since_start)} of CPU time stolen since start, {_percent(current)} now. "
        "Other machines on its host share caches and memory, and cannot be seen here"
        + ("; the host takes much CPU time" if much else ""),
        "lpnet-agent measure --space SPACE --out FILE --repeats 8    # shows the noise; `lpnet "
        "space` writes a SPACE",
    )


def allowed_cores(root: Path) -> tuple[int, ...] | None:
    return cpu_list(fields(root / "proc/self/status").get("Cpus_allowed_list", ""))


def _is_virtual(root: Path) -> bool | None:
    """Whether there is a hypervisor; None if the CPU lists no flags, as outside x86."""
    flags = fields(root / "proc/cpuinfo").get("flags", "").split()
    return "hypervisor" in flags if flags else None


def _pinning_error(cores: tuple[int, ...]) -> str | None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        return error.strerror
    os.sched_setaffinity(0, before)
    return None


def _quotas(root: Path) -> Iterator[float | None]:
    """Quotas, in CPUs, of this process's cgroup and its parents; None for one without a quota."""
    for line in text(root / "proc/self/cgroup").splitlines():
        number, _, remainder = line.partition(":")
        controllers, _, path = remainder.partition(":")
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            if number == "0":
                for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                    yield from _quota(text(root / mount / group / "cpu.max").split())
            elif "cpu" in controllers.split(","):
                folder = root / "sys/fs/cgroup/cpu" / group
                yield from _quota(
                    [text(folder / f"cpu.cfs_{kind}_us") for kind in ("quota", "period")]
                )


def _quota(values: list[str]) -> Iterator[float | None]:
    if len(values) != 2 or not all(values):
        return
    used, period = integer(values[0]), integer(values[1])
    unlimited = values[0] == "max" or (used is not None and used < 0)
    if unlimited:
        yield None
    elif used is not None and period:
        yield used / period


def _stolen_share(root: Path) -> float | None:
    columns = fields(root / "proc/stat", " ").get("cpu", "").split()
    ticks = [integer(column) or 0 for column in columns[:8]]
    total = sum(ticks, 0)
    return ticks[7] / total if len(ticks) == 8 and total else None


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{share:.1%}"
