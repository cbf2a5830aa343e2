"""Names of devices and targets that people can type."""

from __future__ import annotations

import re

from lpnet.errors import LpnetError
from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.device import DeviceFacts
from lpnet_agent.errors import SetupError
from lpnet_agent.runtimes.registry import runtime_entry

_NOISE = re.compile(
    r"\((r|tm|c)\)|@.*$|\bwith .*$|\b(cpu|processor|\d+-core|(dual|quad|six|eight)-core)\b",
    re.IGNORECASE,
)
_MAX_DEVICE_LENGTH = 60


def device_name(facts: DeviceFacts, configured: str | None) -> str:
    """The configured name, or a short form of the CPU's name: "Intel(R) Xeon(R) Gold 6230 CPU @
    2.10GHz" becomes "intel-xeon-gold-6230". Raises SetupError if both are missing, or the name is
    invalid."""
    if configured is not None:
        if not re.fullmatch(TARGET_NAME, configured) or len(configured) > _MAX_DEVICE_LENGTH:
            raise SetupError(
                f"device name {configured!r} must begin with a letter or digit, and have at most "
                f"{_MAX_DEVICE_LENGTH} letters, digits, '.', '_' and '-'"
            )
        return configured
    slug = re.sub(r"[^a-z0-9.]+", "-", _NOISE.sub(" ", facts.cpu or "").lower()).strip("-.")
    if not slug:
        raise SetupError(
            "the name of this machine's CPU is unknown: name the device with --device"
        )
    return slug[:_MAX_DEVICE_LENGTH].strip("-.")


def target_name(
    device: str,
    runtime: str,
    version: str,
    provider: str,
    precision: str,
    threads: int,
    fps: float | None = None,
    variant: str = "",
) -> str:
    """For example "amd-epyc-ort1.31-cpu-fp32-t1". A suffix names options of the runtime that are
    not the default ("...-t1-nhwc"), and the rate of a paced target ("...-t1-30fps")."""
    release = ".".join(version.split(".")[:2])
    name = f"{device}-{runtime_entry(runtime).short}{release}-{provider}-{precision}-t{threads}"
    if variant:
        name += f"-{variant}"
    if fps is not None:
        name += f"-{fps:g}fps"
    if not re.fullmatch(TARGET_NAME, name):
        raise LpnetError(f"{name!r} is not a valid target name")
    return name
