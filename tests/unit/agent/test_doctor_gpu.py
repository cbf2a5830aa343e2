"""What `doctor` finds of a GPU, by what its driver answers."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest
from tests.harness.nvml import Library

from lpnet_agent.doctor import gpu_checks
from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.finding import Check, CheckContext
from lpnet_agent.doctor.gpu_facts import GpuState, read_gpu_state
from lpnet_agent.gpu.device import Gpu
from lpnet_agent.settings import Settings

REASONS, LIMIT = "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetEnforcedPowerLimit"
HELD = pynvml.nvmlClocksEventReasonApplicationsClocksSetting
HOT = pynvml.nvmlClocksEventReasonHwThermalSlowdown
CAPPED = pynvml.nvmlClocksEventReasonSwPowerCap


def scope(seen: GpuState | None) -> CheckContext:
    return CheckContext(
        Settings(provider="cuda"), None, None, None, None, ClockPair.now(), gpu=seen
    )


def of(library: Library) -> CheckContext:
    one = Gpu(library, "gpu")
    return scope(GpuState(one.facts(), one.settings(), one.reading(used=False)))


@pytest.mark.parametrize(
    ("check", "answers", "verdict", "words"),
    [
        (
            gpu_checks.device,
            {},
            "ok",
            "A100-SXM4-40GB, driver 550.54.15, 40960 MiB, MIG off, ECC",
        ),
        (gpu_checks.clocks, {}, "attend", "1410 MHz now, maximum 1410 MHz, not fixed"),
        (
            gpu_checks.clocks,
            {REASONS: HELD},
            "ok",
            "fixed by its owner",
        ),
        (gpu_checks.persistence, {}, "ok", "on"),
        (gpu_checks.persistence, {"nvmlDeviceGetPersistenceMode": 0}, "attend", "off"),
        (gpu_checks.other_processes, {}, "ok", "no other process"),
        (
            gpu_checks.other_processes,
            {"nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=1)]},
            "bad",
            "1 other processes compute on it",
        ),
        (gpu_checks.throttling, {}, "ok", "34 C"),
        (
            gpu_checks.throttling,
            {REASONS: HOT},
            "bad",
            "heat_hardware",
        ),
        (
            gpu_checks.throttling,
            {REASONS: CAPPED},
            "attend",
            "power",
        ),
        (gpu_checks.display, {}, "ok", "none"),
        (gpu_checks.display, {"nvmlDeviceGetDisplayActive": 1}, "attend", "drives a display"),
        (gpu_checks.power, {}, "ok", "400 W of 400 W"),
        (
            gpu_checks.power,
            {LIMIT: 250_000},
            "attend",
            "250 W of 400 W",
        ),
    ],
)
def test_what_is_found(check: Check, answers: dict[str, object], verdict: str, words: str) -> None:
    found = check(of(Library(**answers)))
    assert (found.verdict, words in found.observation) == (verdict, True), found
    assert (found.remedy is not None) == (verdict in ("attend", "bad"))


def test_what_the_driver_does_not_say_is_unknown() -> None:
    silent = of(Library({}))
    assert {check(silent).verdict for check in gpu_checks.CHECKS[1:]} == {"unknown"}
    assert {check(scope(None)).verdict for check in gpu_checks.CHECKS} == {"unknown"}


def test_a_driver_that_does_not_answer_is_bad() -> None:
    found = gpu_checks.device(scope(GpuState(error="the driver does not answer (NVML)")))
    assert (found.verdict, found.observation) == ("bad", "the driver does not answer (NVML)")


def test_a_target_on_the_cpu_has_no_gpu_to_look_at() -> None:
    assert read_gpu_state(Settings(provider="cpu")) is None
