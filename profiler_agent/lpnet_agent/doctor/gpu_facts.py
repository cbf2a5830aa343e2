"""What the driver says of the GPU that would be measured, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from lpnet.schemas.gpu import GpuFacts
from lpnet_agent.errors import BadSetup
from lpnet_agent.gpu.device import GpuReading, GpuSettings
from lpnet_agent.gpu.library import on_gpu, open_gpu
from lpnet_agent.settings import Settings

_NO_ANSWER = "the driver does not answer (NVML)"


@dataclass(frozen=True)
class GpuSeen:
    """What the driver said. `refusal`: why it could not be asked."""

    facts: GpuFacts = field(default_factory=GpuFacts)
    settings: GpuSettings = field(default_factory=GpuSettings)
    reading: GpuReading = field(default_factory=GpuReading)
    refusal: str | None = None


def look(settings: Settings) -> GpuSeen | None:
    """The GPU that networks would run on; None where they would run on none."""
    if not on_gpu(settings.provider):
        return None
    try:
        with open_gpu(settings.provider) as gpu:
            if gpu is None:
                return GpuSeen(refusal=_NO_ANSWER)
            return GpuSeen(gpu.facts(), gpu.settings(), gpu.reading(used=False))
    except BadSetup as error:
        return GpuSeen(refusal=str(error))
