"""Facts, settings and readings of one GPU through NVML. Boards and drivers differ in what they
report; a value that is missing is None."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from lpnet.schemas.gpu import GpuFacts, SlowedBy

_REASONS: dict[str, SlowedBy] = {
    "nvmlClocksEventReasonSwPowerCap": "power_cap",
    "nvmlClocksEventReasonHwSlowdown": "hardware",
    "nvmlClocksEventReasonSwThermalSlowdown": "heat_driver",
    "nvmlClocksEventReasonHwThermalSlowdown": "heat_hardware",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "power_brake",
    "nvmlClocksEventReasonSyncBoost": "sync_boost",
}
_FIXED = "nvmlClocksEventReasonApplicationsClocksSetting"


@dataclass(frozen=True)
class GpuReading:
    """A GPU at one time. `heat_ns` and `power_ns` count how long heat and power have limited its
    clock so far. `other_processes` are those that compute on it beside this one."""

    sm_mhz: int | None = None
    memory_mhz: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    slowed_by: frozenset[SlowedBy] | None = None
    fixed: bool | None = None
    heat_ns: int | None = None
    power_ns: int | None = None
    persistence: bool | None = None
    other_processes: int | None = None


@dataclass(frozen=True)
class GpuSettings:
    """Settings of the owner: power limit and application clocks, with their defaults and maximum,
    and whether a display is connected."""

    power_w: float | None = None
    power_default_w: float | None = None
    sm_mhz: int | None = None
    sm_default_mhz: int | None = None
    sm_max_mhz: int | None = None
    memory_mhz: int | None = None
    display: bool | None = None

    @property
    def power_mode(self) -> str | None:
        """The settings that change latencies, as text; None if they are unknown."""
        parts = []
        if self.power_w is not None:
            parts.append(f"power limit {self.power_w:g} W")
        if self.sm_mhz is not None and self.memory_mhz is not None:
            parts.append(f"application clocks {self.sm_mhz}/{self.memory_mhz} MHz")
        return ", ".join(parts) or None


class Gpu:
    """Reads one GPU through `library`, which is pynvml. Nothing here changes a setting."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def facts(self) -> GpuFacts:
        memory = self._query("nvmlDeviceGetMemoryInfo")
        return GpuFacts(
            name=_text(self._query("nvmlDeviceGetName")),
            memory_mib=None if memory is None else memory.total >> 20,
            compute_capability=_dotted(self._query("nvmlDeviceGetCudaComputeCapability")),
            driver=_text(self._call("nvmlSystemGetDriverVersion")),
            cuda=_cuda(self._call("nvmlSystemGetCudaDriverVersion_v2")),
            mig=_current(self._query("nvmlDeviceGetMigMode")),
            ecc=_current(self._query("nvmlDeviceGetEccMode")),
        )

    def settings(self) -> GpuSettings:
        return GpuSettings(
            power_w=_watts(self._query("nvmlDeviceGetEnforcedPowerLimit")),
            power_default_w=_watts(self._query("nvmlDeviceGetPowerManagementDefaultLimit")),
            sm_mhz=self._clock("nvmlDeviceGetApplicationsClock", "NVML_CLOCK_SM"),
            sm_default_mhz=self._clock("nvmlDeviceGetDefaultApplicationsClock", "NVML_CLOCK_SM"),
            sm_max_mhz=self._clock("nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_SM"),
            memory_mhz=self._clock("nvmlDeviceGetApplicationsClock", "NVML_CLOCK_MEM"),
            display=_switch(self._query("nvmlDeviceGetDisplayActive")),
        )

    def reading(self, used: bool = True) -> GpuReading:
        """The current state. `used`: whether this process computes on the GPU."""
        bits = self._query("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            # Its name in drivers before 535.
            bits = self._query("nvmlDeviceGetCurrentClocksThrottleReasons")
        return GpuReading(
            sm_mhz=self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM"),
            memory_mhz=self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM"),
            temperature_c=self._query(
                "nvmlDeviceGetTemperature", self._library.NVML_TEMPERATURE_GPU
            ),
            power_w=_watts(self._query("nvmlDeviceGetPowerUsage")),
            slowed_by=None if bits is None else self._slowed_by(bits),
            fixed=None if bits is None else bool(bits & getattr(self._library, _FIXED)),
            heat_ns=self._limited_ns("NVML_PERF_POLICY_THERMAL"),
            power_ns=self._limited_ns("NVML_PERF_POLICY_POWER"),
            persistence=_switch(self._query("nvmlDeviceGetPersistenceMode")),
            other_processes=self._other_processes(used),
        )

    def _slowed_by(self, bits: int) -> frozenset[SlowedBy]:
        return frozenset(
            cause for name, cause in _REASONS.items() if bits & getattr(self._library, name)
        )

    def _limited_ns(self, policy: str) -> int | None:
        status = self._query("nvmlDeviceGetViolationStatus", getattr(self._library, policy))
        return None if status is None else int(status.violationTime)

    def _other_processes(self, used: bool) -> int | None:
        """Number of other processes that compute on the GPU.

        In a container the driver may report other process ids, or none at all. One of the listed
        processes is this one if it uses the GPU.
        """
        processes = self._query("nvmlDeviceGetComputeRunningProcesses")
        if processes is None:
            return None
        mps_processes = self._query("nvmlDeviceGetMPSComputeRunningProcesses") or []
        pids = {process.pid for process in (*processes, *mps_processes)}
        if used:
            return len(pids) - 1 if pids else None
        return len(pids - {os.getpid()})

    def _clock(self, name: str, kind: str) -> int | None:
        value: int | None = self._query(name, getattr(self._library, kind))
        return value

    def _query(self, name: str, *arguments: Any) -> Any:
        return self._call(name, self._handle, *arguments)

    def _call(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._library, name, None)
        if function is None:
            return None
        try:
            return function(*arguments)
        except self._library.NVMLError:
            return None


def _text(value: Any) -> str | None:
    # Older releases of the library return bytes.
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1e3


def _switch(state: int | None) -> bool | None:
    return None if state is None else bool(state)


def _current(states: Any) -> bool | None:
    return None if states is None else bool(states[0])


def _dotted(parts: Any) -> str | None:
    return None if parts is None else ".".join(map(str, parts))


def _cuda(version: int | None) -> str | None:
    # 12040 stands for 12.4.
    return None if version is None else f"{version // 1000}.{version % 1000 // 10}"
