"""A library that answers as pynvml does, of a GPU that is not there."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pynvml

NOT_SUPPORTED = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
# An A100 at rest, as its driver answered it; by the name of the question, and by what is asked of
# it where that is more than the GPU.
A100: dict[str | tuple[Any, ...], Any] = {
    "nvmlInit": None,
    "nvmlShutdown": None,
    "nvmlDeviceGetCount": 1,
    "nvmlDeviceGetHandleByIndex": "gpu",
    "nvmlDeviceGetHandleByUUID": "by uuid",
    "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": "whole",
    "nvmlDeviceGetName": "NVIDIA A100-SXM4-40GB",
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=40960 << 20),
    "nvmlDeviceGetCudaComputeCapability": (8, 0),
    "nvmlSystemGetDriverVersion": "550.54.15",
    "nvmlSystemGetCudaDriverVersion_v2": 12040,
    "nvmlDeviceGetMigMode": [0, 0],
    "nvmlDeviceGetEccMode": [1, 1],
    "nvmlDeviceGetEnforcedPowerLimit": 400_000,
    "nvmlDeviceGetPowerManagementDefaultLimit": 400_000,
    ("nvmlDeviceGetApplicationsClock", pynvml.NVML_CLOCK_SM): 1095,
    ("nvmlDeviceGetApplicationsClock", pynvml.NVML_CLOCK_MEM): 1215,
    ("nvmlDeviceGetMaxClockInfo", pynvml.NVML_CLOCK_SM): 1410,
    ("nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_SM): 1410,
    ("nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_MEM): 1215,
    "nvmlDeviceGetDisplayActive": 0,
    "nvmlDeviceGetCurrentClocksEventReasons": pynvml.nvmlClocksEventReasonGpuIdle,
    ("nvmlDeviceGetTemperature", pynvml.NVML_TEMPERATURE_GPU): 34,
    "nvmlDeviceGetPowerUsage": 61_250,
    ("nvmlDeviceGetViolationStatus", pynvml.NVML_PERF_POLICY_THERMAL): SimpleNamespace(
        violationTime=5_000_000
    ),
    ("nvmlDeviceGetViolationStatus", pynvml.NVML_PERF_POLICY_POWER): SimpleNamespace(
        violationTime=0
    ),
    "nvmlDeviceGetPersistenceMode": 1,
    "nvmlDeviceGetComputeRunningProcesses": [],
    "nvmlDeviceGetMPSComputeRunningProcesses": [],
}


class Library:
    """Answers what it is given; what it is not given is not supported. A question that pynvml does
    not know, or that it would not take so, is a TypeError or AttributeError here too."""

    NVMLError = pynvml.NVMLError

    def __init__(self, answers: Mapping[Any, Any] = A100, /, **more: Any) -> None:
        self.answers: dict[Any, Any] = {**answers, **more}
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(pynvml, name)
        if not callable(real):
            return real

        def answer(*given: Any) -> Any:
            inspect.signature(real).bind(*given)
            self.asked.append((name, *given))
            found = self.answers.get((name, *given[1:]), self.answers.get(name, NOT_SUPPORTED))
            if isinstance(found, Exception):
                raise found
            return found

        return answer
