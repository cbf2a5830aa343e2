"""What a phone is: from its properties and its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lpnet.schemas.device import DeviceFacts
from lpnet_agent.device_info.facts import vector_flags
from lpnet_agent.device_info.names import device_name
from lpnet_agent.device_info.sysfs import cpu_list, fields, integer, text
from lpnet_agent.errors import BadSetup

PROPERTIES = "getprop"

_LINE = re.compile(r"\[([^]]+)\]: \[(.*)\]")


def properties(said: str) -> dict[str, str]:
    """Of `getprop`, those that are set."""
    matches = (_LINE.fullmatch(line.strip()) for line in said.splitlines())
    return {match[1]: match[2] for match in matches if match and match[2]}


def phone_facts(known: Mapping[str, str], root: Path) -> DeviceFacts:
    """`root` holds the phone's files."""
    cores = cpu_list(text(root / "sys/devices/system/cpu/present"))
    memory = integer(fields(root / "proc/meminfo").get("MemTotal", "").removesuffix("kB"))
    flags = fields(root / "proc/cpuinfo").get("Features", "").split()
    return DeviceFacts(
        cpu=_chip(known),
        architecture=_ARCHITECTURES.get(known.get("ro.product.cpu.abi", "")),
        cores=None if cores is None else len(cores),
        memory_mib=None if memory is None else memory // 1024,
        os=_system(known),
        flags=vector_flags(frozenset(flags)),
        virtual=True if "1" in (known.get("ro.kernel.qemu"), known.get("ro.boot.qemu")) else None,
    )


def phone_name(known: Mapping[str, str], given: str | None) -> str:
    """The name that was given, or the model's: "Pixel 7" is "pixel-7". Raises BadSetup."""
    model = known.get("ro.product.model")
    if given is None and model is None:
        raise BadSetup("the phone does not say what model it is: name it with --device")
    return device_name(DeviceFacts(cpu=model), given)


# As `uname -m` says it: what a phone's own uname says is that of its kernel.
_ARCHITECTURES = {
    "arm64-v8a": "aarch64",
    "armeabi-v7a": "armv7l",
    "x86_64": "x86_64",
    "x86": "i686",
    "riscv64": "riscv64",
}


def _chip(known: Mapping[str, str]) -> str | None:
    """Android says it in these places, the newest first."""
    maker, model = known.get("ro.soc.manufacturer"), known.get("ro.soc.model")
    if model:
        return f"{maker} {model}" if maker else model
    return known.get("ro.board.platform") or known.get("ro.hardware")


def _system(known: Mapping[str, str]) -> str | None:
    release, level = known.get("ro.build.version.release"), known.get("ro.build.version.sdk")
    if release is None:
        return None
    words = f"Android {release}" + (f" (API {level})" if level else "")
    kernel = known.get("ro.kernel.version")
    return f"{words}, Linux {kernel}" if kernel else words
