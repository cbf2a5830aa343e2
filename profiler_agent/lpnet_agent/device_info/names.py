"""Names that people can type, made from what a device and a target are."""

from __future__ import annotations

import re

from lpnet.errors import LpnetError
from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.device import DeviceFacts
from lpnet_agent.errors import BadSetup
from lpnet_agent.runtimes.registry import known

_NOISE = re.compile(
    r"\((r|tm|c)\)|@.*$|\bwith .*$|\b(cpu|processor|\d+-core|(dual|quad|six|eight)-core)\b",
    re.IGNORECASE,
)
_LONGEST_DEVICE = 60


def device_name(facts: DeviceFacts, given: str | None) -> str:
    """The name that was given, or the CPU's in short: "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"
    is "intel-xeon-gold-6230". Raises BadSetup where there is neither."""
    if given is not None:
        if not re.fullmatch(TARGET_NAME, given) or len(given) > _LONGEST_DEVICE:
            raise BadSetup(
                f"device name {given!r}: letters, digits, '.', '_' and '-', beginning with a "
                f"letter or digit, {_LONGEST_DEVICE} at most"
            )
        return given
    slug = re.sub(r"[^a-z0-9.]+", "-", _NOISE.sub(" ", facts.cpu or "").lower()).strip("-.")
    if not slug:
        raise BadSetup("this machine does not say what CPU it has: name it with --device")
    return slug[:_LONGEST_DEVICE].strip("-.")


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
    """For example "amd-epyc-ort1.31-cpu-fp32-t1"; "...-t1-nhwc" where the runtime's options are
    not the usual ones, and "...-t1-30fps" for a paced target."""
    release = ".".join(version.split(".")[:2])
    name = f"{device}-{known(runtime).short}{release}-{provider}-{precision}-t{threads}"
    if variant:
        name += f"-{variant}"
    if fps is not None:
        name += f"-{fps:g}fps"
    if not re.fullmatch(TARGET_NAME, name):
        raise LpnetError(f"{name!r} cannot be the name of a target")
    return name
