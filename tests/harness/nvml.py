"""A fake of pynvml, for a GPU that is not there."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pynvml

NOT_SUPPORTED = pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
# An idle A100, as its driver reports it; by the name of the function, and by its arguments if it
# takes more than the GPU.
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
    """Returns the configured answers; other functions are not supported. Functions that pynvml
    does not have raise AttributeError, and wrong arguments TypeError, as in pynvml."""

    NVMLError = pynvml.NVMLError

    def __init__(self, answers: Mapping[Any, Any] = A100, /, **more: Any) -> None:
        self.answers: dict[Any, Any] = {**answers, **more}
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(pynvml, name)
        if not callable(real):
            return real

        def answer(*args: Any) -> Any:
            inspect.signature(real).bind(*args)
            self.calls.append((name, *args))
            result = self.answers.get((name, *args[1:]), self.answers.get(name, NOT_SUPPORTED))
            if isinstance(result, Exception):
                raise result
            return result

        return answer
