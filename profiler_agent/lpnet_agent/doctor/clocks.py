"""At which clock the measured cores run, and who decides it."""

from __future__ import annotations

from lpnet_agent.device_info.sysfs import entries, number, text
from lpnet_agent.doctor.finding import Finding, Scope, listed, unknown

# A governor that keeps the clock where it is; all others follow the load.
_STEADY = frozenset({"performance", "userspace"})
_CAPPED = 0.995


def governor(scope: Scope) -> Finding:
    """Whether the clock follows the load."""
    name, looked = "clock governor", "cpufreq/scaling_governor of the measured cores"
    cores = scope.cores or ()
    seen = {core: text(scope.cpu(core) / "cpufreq/scaling_governor") for core in cores}
    if not all(seen.values()) or not seen:
        return unknown(name, looked)
    words = "; ".join(f"{kind} on {listed(where)}" for kind, where in _grouped(seen).items())
    if set(seen.values()) <= _STEADY:
        return Finding(name, "ok", looked, words)
    return Finding(
        name,
        "attend",
        looked,
        f"{words}: the clock follows the load. Right if networks will run so here; steadier "
        "figures come at a fixed clock",
        "LPNET_AGENT_GOVERNOR=performance lpnet-agent run    # as root; put back when it ends. "
        "By hand: sudo cpupower frequency-set -g performance",
    )


def boost(scope: Scope) -> Finding:
    """Whether the chip may run faster for as long as heat and idle cores allow."""
    name, looked = "turbo", "intel_pstate/no_turbo, cpufreq/boost"
    cpu = scope.root / "sys/devices/system/cpu"
    off, on = number(cpu / "intel_pstate/no_turbo"), number(cpu / "cpufreq/boost")
    if off is None and on is None:
        return unknown(name, looked)
    if off == 1 or on == 0:
        return Finding(name, "ok", looked, "off: the clock does not depend on neighbouring cores")
    return Finding(
        name,
        "attend",
        looked,
        "on: the clock depends on how many cores are busy and how warm the chip is. Right if "
        "networks will run so here; steadier figures come without",
        "LPNET_AGENT_TURBO=off lpnet-agent run    # as root; put back when it ends. By hand: "
        + (
            "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
            if off is not None
            else "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
        ),
    )


def ceiling(scope: Scope) -> Finding:
    """Whether the measured cores may run as fast as they can, and how fast they run now."""
    name, looked = "clock now", "cpufreq/scaling_cur_freq, scaling_max_freq, cpuinfo_max_freq"
    seen, capped = [], []
    for core in scope.cores or ():
        folder = scope.cpu(core) / "cpufreq"
        now, most, able = (
            number(folder / f"{kind}_freq")
            for kind in ("scaling_cur", "scaling_max", "cpuinfo_max")
        )
        if now is None or most is None or able is None:
            return unknown(name, looked)
        seen.append(f"core {core} at {_ghz(now)}, allowed {_ghz(most)} of {_ghz(able)}")
        if most < able * _CAPPED:
            capped.append(core)
    if not seen:
        return unknown(name, looked)
    if not capped:
        return Finding(name, "ok", looked, "; ".join(seen))
    return Finding(
        name,
        "attend",
        looked,
        f"{'; '.join(seen)}: held below what the chip can do, by a power mode or for heat",
        "sudo cpupower frequency-info    # who holds it; on a Jetson the power mode below",
    )


def clusters(scope: Scope) -> Finding:
    """On chips with fast and slow cores: which of them are measured on."""
    name, looked = "kind of cores", "cpu_capacity of every core"
    every = {
        int(folder.name[3:]): capacity
        for folder in entries(scope.root / "sys/devices/system/cpu", "cpu[0-9]*")
        if (capacity := number(folder / "cpu_capacity")) is not None
    }
    mine = tuple(core for core in scope.cores or () if core in every)
    if not mine:
        return unknown(name, looked)
    if len(set(every.values())) == 1:
        return Finding(name, "ok", looked, "all cores alike")
    words = "; ".join(
        f"capacity {capacity} on {listed(where)}"
        for capacity, where in _grouped({core: str(every[core]) for core in mine}).items()
    )
    fastest = max(every.values())
    if {every[core] for core in mine} == {fastest}:
        return Finding(name, "ok", looked, f"{words}, the fastest of this chip")
    return Finding(
        name,
        "attend",
        looked,
        f"{words}; the fastest of this chip have {fastest}. Threads on unlike cores wait for the "
        "slowest",
        f"taskset -c {','.join(str(core) for core, c in every.items() if c == fastest)} "
        "lpnet-agent run    # or fewer --threads",
    )


def _grouped(seen: dict[int, str]) -> dict[str, tuple[int, ...]]:
    return {
        kind: tuple(core for core, other in seen.items() if other == kind)
        for kind in dict.fromkeys(seen.values())
    }


def _ghz(khz: int) -> str:
    return f"{khz / 1e6:.2f} GHz"
