"""What the driver reports about the GPU that would be measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from lpnet.schemas.gpu import GpuFacts
from lpnet_agent.errors import SetupError
from lpnet_agent.gpu.device import GpuReading, GpuSettings
from lpnet_agent.gpu.library import on_gpu, open_gpu
from lpnet_agent.settings import Settings

_NO_ANSWER = "the driver does not answer (NVML)"


@dataclass(frozen=True)
class GpuState:
    """Facts, settings and a reading of a GPU; `error` says why there are none."""

    facts: GpuFacts = field(default_factory=GpuFacts)
    settings: GpuSettings = field(default_factory=GpuSettings)
    reading: GpuReading = field(default_factory=GpuReading)
    error: str | None = None


def read_gpu_state(settings: Settings) -> GpuState | None:
    if not on_gpu(settings.provider):
        return None
    try:
        with open_gpu(settings.provider) as gpu:
            if gpu is None:
                return GpuState(error=_NO_ANSWER)
            return GpuState(gpu.facts(), gpu.settings(), gpu.reading(used=False))
    except SetupError as error:
        return GpuState(error=str(error))
