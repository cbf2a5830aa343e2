"""Facts of this machine, read from the operating system."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil

from lpnet.schemas.device import DeviceFacts
from lpnet_agent.device_info.sysfs import fields
from lpnet_agent.gpu.library import open_gpu

_VECTOR = (
    "sse2",
    "ssse3",
    "sse4_1",
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "neon",
    "asimd",
    "asimdhp",
    "asimddp",
    "fphp",
    "i8mm",
    "bf16",
    "sve",
    "sve2",
)


def read_facts(provider: str = "cpu") -> DeviceFacts:
    """The facts of this machine, including its GPU if `provider` runs networks on one."""
    with open_gpu(provider) as gpu:
        gpu_facts = None if gpu is None else gpu.facts()
    cpu, flags = cpu_and_flags()
    return DeviceFacts(
        cpu=cpu,
        architecture=platform.machine() or None,
        cores=psutil.cpu_count(logical=True),
        memory_mib=psutil.virtual_memory().total // 2**20,
        os=f"{platform.system()} {platform.release()}".strip() or None,
        flags=vector_flags(flags),
        virtual=_virtual(flags, platform.machine()),
        gpu=gpu_facts,
    )


def cpu_and_flags(root: Path = Path("/")) -> tuple[str | None, frozenset[str]]:
    """The CPU's name, and the flags of its instruction sets.

    Linux on x86 lists both in /proc/cpuinfo. Other systems need py-cpuinfo, which takes more than
    a second because it times the CPU's clock.
    """
    entries = fields(root / "proc/cpuinfo")
    if entries.get("model name") and entries.get("flags"):
        return entries["model name"], frozenset(entries["flags"].split())
    import cpuinfo

    info = cpuinfo.get_cpu_info() or {}
    return info.get("brand_raw") or None, frozenset(info.get("flags") or ())


def clock_policy(core: int, root: Path = Path("/")) -> str | None:
    """The cpufreq governor of a core; None if it is not exposed."""
    path = root / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def vector_flags(flags: frozenset[str]) -> tuple[str, ...]:
    common = [flag for flag in _VECTOR if flag in flags]
    return (*common, *sorted(flag for flag in flags if flag.startswith("avx512")))


def _virtual(flags: frozenset[str], architecture: str) -> bool | None:
    # Only x86 has a flag for it; elsewhere its absence means nothing.
    if "hypervisor" in flags:
        return True
    return False if flags and architecture in ("x86_64", "AMD64") else None
