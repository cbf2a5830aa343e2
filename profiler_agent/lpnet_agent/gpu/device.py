"""One GPU, asked by NVML. What it does not say is None: boards and drivers differ in what they
tell, and in which instant they do."""

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
    """A GPU at one moment. `heat_ns` and `power_ns` are counters: how long each has held its clock
    down so far. `others` counts the processes beside this one that compute on it."""

    sm_mhz: int | None = None
    memory_mhz: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    slowed_by: frozenset[SlowedBy] | None = None
    fixed: bool | None = None
    heat_ns: int | None = None
    power_ns: int | None = None
    persistence: bool | None = None
    others: int | None = None


@dataclass(frozen=True)
class GpuSettings:
    """What its owner has set: limits of power, W, and clocks of its cores and memory, MHz, each
    beside what is usual and what is possible; and whether a display hangs on it."""

    power_w: float | None = None
    power_default_w: float | None = None
    sm_mhz: int | None = None
    sm_default_mhz: int | None = None
    sm_max_mhz: int | None = None
    memory_mhz: int | None = None
    display: bool | None = None

    @property
    def power_mode(self) -> str | None:
        """What of it changes latencies, in words; None where nothing of it is known."""
        words = []
        if self.power_w is not None:
            words.append(f"power limit {self.power_w:g} W")
        if self.sm_mhz is not None and self.memory_mhz is not None:
            words.append(f"application clocks {self.sm_mhz}/{self.memory_mhz} MHz")
        return ", ".join(words) or None


class Gpu:
    """Asks `library`, which is pynvml, of one GPU. Nothing here changes anything."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def facts(self) -> GpuFacts:
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        return GpuFacts(
            name=_text(self._ask("nvmlDeviceGetName")),
            memory_mib=None if memory is None else memory.total >> 20,
            compute_capability=_dotted(self._ask("nvmlDeviceGetCudaComputeCapability")),
            driver=_text(self._call("nvmlSystemGetDriverVersion")),
            cuda=_cuda(self._call("nvmlSystemGetCudaDriverVersion_v2")),
            mig=_current(self._ask("nvmlDeviceGetMigMode")),
            ecc=_current(self._ask("nvmlDeviceGetEccMode")),
        )

    def settings(self) -> GpuSettings:
        return GpuSettings(
            power_w=_watts(self._ask("nvmlDeviceGetEnforcedPowerLimit")),
            power_default_w=_watts(self._ask("nvmlDeviceGetPowerManagementDefaultLimit")),
            sm_mhz=self._clock("nvmlDeviceGetApplicationsClock", "NVML_CLOCK_SM"),
            sm_default_mhz=self._clock("nvmlDeviceGetDefaultApplicationsClock", "NVML_CLOCK_SM"),
            sm_max_mhz=self._clock("nvmlDeviceGetMaxClockInfo", "NVML_CLOCK_SM"),
            memory_mhz=self._clock("nvmlDeviceGetApplicationsClock", "NVML_CLOCK_MEM"),
            display=_switch(self._ask("nvmlDeviceGetDisplayActive")),
        )

    def reading(self, used: bool = True) -> GpuReading:
        """How it is now. `used`: this process computes on it."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            # Drivers before 535 know it by this name only.
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return GpuReading(
            sm_mhz=self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM"),
            memory_mhz=self._clock("nvmlDeviceGetClockInfo", "NVML_CLOCK_MEM"),
            temperature_c=self._ask(
                "nvmlDeviceGetTemperature", self._library.NVML_TEMPERATURE_GPU
            ),
            power_w=_watts(self._ask("nvmlDeviceGetPowerUsage")),
            slowed_by=None if bits is None else self._slowed_by(bits),
            fixed=None if bits is None else bool(bits & getattr(self._library, _FIXED)),
            heat_ns=self._held("NVML_PERF_POLICY_THERMAL"),
            power_ns=self._held("NVML_PERF_POLICY_POWER"),
            persistence=_switch(self._ask("nvmlDeviceGetPersistenceMode")),
            others=self._others(used),
        )

    def _slowed_by(self, bits: int) -> frozenset[SlowedBy]:
        return frozenset(
            word for name, word in _REASONS.items() if bits & getattr(self._library, name)
        )

    def _held(self, policy: str) -> int | None:
        found = self._ask("nvmlDeviceGetViolationStatus", getattr(self._library, policy))
        return None if found is None else int(found.violationTime)

    def _others(self, used: bool) -> int | None:
        """Processes that compute on it, beside this one.

        In a container the driver may name processes by other numbers, or none at all: of those
        that it lists one is this, as long as this one uses the GPU.
        """
        found = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if found is None:
            return None
        more = self._ask("nvmlDeviceGetMPSComputeRunningProcesses") or []
        pids = {process.pid for process in (*found, *more)}
        if used:
            return len(pids) - 1 if pids else None
        return len(pids - {os.getpid()})

    def _clock(self, question: str, kind: str) -> int | None:
        value: int | None = self._ask(question, getattr(self._library, kind))
        return value

    def _ask(self, name: str, *more: Any) -> Any:
        """The answer to a question about this GPU; None where there is none."""
        return self._call(name, self._handle, *more)

    def _call(self, name: str, *given: Any) -> Any:
        function = getattr(self._library, name, None)
        if function is None:
            return None
        try:
            return function(*given)
        except self._library.NVMLError:
            return None


def _text(value: Any) -> str | None:
    """Older releases of the library answer bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1e3


def _switch(state: int | None) -> bool | None:
    return None if state is None else bool(state)


def _current(states: Any) -> bool | None:
    """Of the current and the pending state."""
    return None if states is None else bool(states[0])


def _dotted(parts: Any) -> str | None:
    return None if parts is None else ".".join(map(str, parts))


def _cuda(version: int | None) -> str | None:
    """12040 is 12.4."""
    return None if version is None else f"{version // 1000}.{version % 1000 // 10}"
