"""What a measuring process reports about itself: its runtime, and the GPU that it runs on."""

from __future__ import annotations

from lpnet_agent.gpu.device import Gpu
from lpnet_agent.gpu.library import on_gpu
from lpnet_agent.measure.messages import SessionInfo
from lpnet_agent.runtimes.base import RuntimeInfo


def session_info(session: str, info: RuntimeInfo, gpu: Gpu | None) -> SessionInfo:
    """The runtime's identity. A GPU's name, MIG and ECC modes are part of the options, null if
    unknown."""
    facts = None if gpu is None else gpu.facts()
    options = dict(info.options)
    if on_gpu(info.provider):
        options["gpu"] = facts and facts.name
        options["mig"] = facts and facts.mig
        options["ecc"] = facts and facts.ecc
    return SessionInfo(
        session=session,
        runtime=info.name,
        version=info.version,
        provider=info.provider,
        precision=info.precision,
        options=options,
        variant=info.variant,
        driver=facts and facts.driver,
        power_mode=None if gpu is None else gpu.settings().power_mode,
    )
