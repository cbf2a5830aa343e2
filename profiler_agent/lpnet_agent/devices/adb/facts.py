"""Facts of a phone, from its properties and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lpnet.schemas.device import DeviceFacts
from lpnet_agent.device_info.facts import vector_flags
from lpnet_agent.device_info.names import device_name
from lpnet_agent.device_info.sysfs import cpu_list, fields, integer, text
from lpnet_agent.errors import SetupError

PROPERTIES_COMMAND = "getprop"

_LINE = re.compile(r"\[([^]]+)\]: \[(.*)\]")
# By ABI, named as `uname -m` does. The phone's own uname is that of its kernel.
_ARCHITECTURES = {
    "arm64-v8a": "aarch64",
    "armeabi-v7a": "armv7l",
    "x86_64": "x86_64",
    "x86": "i686",
    "riscv64": "riscv64",
}


def parse_properties(output: str) -> dict[str, str]:
    matches = (_LINE.fullmatch(line.strip()) for line in output.splitlines())
    return {match[1]: match[2] for match in matches if match and match[2]}


def phone_facts(properties: Mapping[str, str], root: Path) -> DeviceFacts:
    cores = cpu_list(text(root / "sys/devices/system/cpu/present"))
    memory = integer(fields(root / "proc/meminfo").get("MemTotal", "").removesuffix("kB"))
    flags = fields(root / "proc/cpuinfo").get("Features", "").split()
    emulated = "1" in (properties.get("ro.kernel.qemu"), properties.get("ro.boot.qemu"))
    return DeviceFacts(
        cpu=_chip(properties),
        architecture=_ARCHITECTURES.get(properties.get("ro.product.cpu.abi", "")),
        cores=None if cores is None else len(cores),
        memory_mib=None if memory is None else memory // 1024,
        os=_system(properties),
        flags=vector_flags(frozenset(flags)),
        virtual=True if emulated else None,
    )


def phone_name(properties: Mapping[str, str], configured: str | None) -> str:
    """The configured name, or the model's: "Pixel 7" becomes "pixel-7". Raises SetupError if both
    are missing."""
    model = properties.get("ro.product.model")
    if configured is None and model is None:
        raise SetupError("the phone's model is unknown: name the device with --device")
    return device_name(DeviceFacts(cpu=model), configured)


def _chip(properties: Mapping[str, str]) -> str | None:
    # Recent versions of Android have the first two properties.
    maker, model = properties.get("ro.soc.manufacturer"), properties.get("ro.soc.model")
    if model:
        return f"{maker} {model}" if maker else model
    return properties.get("ro.board.platform") or properties.get("ro.hardware")


def _system(properties: Mapping[str, str]) -> str | None:
    release = properties.get("ro.build.version.release")
    level = properties.get("ro.build.version.sdk")
    if release is None:
        return None
    system = f"Android {release}" + (f" (API {level})" if level else "")
    kernel = properties.get("ro.kernel.version")
    return f"{system}, Linux {kernel}" if kernel else system
