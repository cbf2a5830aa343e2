"""What `doctor` finds of a GPU, by what its driver answers."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest
from tests.harness.nvml import Library

from lpnet_agent.doctor import gpu
from lpnet_agent.doctor.finding import Check, Scope
from lpnet_agent.doctor.gpu_facts import GpuSeen, look
from lpnet_agent.doctor.moment import Moment
from lpnet_agent.gpu.device import Gpu
from lpnet_agent.settings import Settings

HELD = pynvml.nvmlClocksEventReasonApplicationsClocksSetting
HOT = pynvml.nvmlClocksEventReasonHwThermalSlowdown
CAPPED = pynvml.nvmlClocksEventReasonSwPowerCap


def scope(seen: GpuSeen | None) -> Scope:
    return Scope(Settings(provider="cuda"), None, None, None, None, Moment.now(), gpu=seen)


def of(library: Library) -> Scope:
    one = Gpu(library, "gpu")
    return scope(GpuSeen(one.facts(), one.settings(), one.reading(used=False)))


@pytest.mark.parametrize(
    ("check", "answers", "verdict", "words"),
    [
        (gpu.device, {}, "ok", "A100-SXM4-40GB, driver 550.54.15, 40960 MiB, MIG off, ECC on"),
        (gpu.clocks, {}, "attend", "1410 MHz now, at most 1410 MHz, not held anywhere"),
        (gpu.clocks, {"nvmlDeviceGetCurrentClocksEventReasons": HELD}, "ok", "held by its owner"),
        (gpu.persistence, {}, "ok", "on"),
        (gpu.persistence, {"nvmlDeviceGetPersistenceMode": 0}, "attend", "off"),
        (gpu.company, {}, "ok", "nobody else"),
        (
            gpu.company,
            {"nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=1)]},
            "bad",
            "1 processes compute on it",
        ),
        (gpu.throttling, {}, "ok", "34 C"),
        (gpu.throttling, {"nvmlDeviceGetCurrentClocksEventReasons": HOT}, "bad", "heat_hardware"),
        (gpu.throttling, {"nvmlDeviceGetCurrentClocksEventReasons": CAPPED}, "attend", "power"),
        (gpu.display, {}, "ok", "none"),
        (gpu.display, {"nvmlDeviceGetDisplayActive": 1}, "attend", "a display"),
        (gpu.power, {}, "ok", "400 W of 400 W"),
        (gpu.power, {"nvmlDeviceGetEnforcedPowerLimit": 250_000}, "attend", "250 W of 400 W"),
    ],
)
def test_what_is_found(check: Check, answers: dict[str, object], verdict: str, words: str) -> None:
    found = check(of(Library(**answers)))
    assert (found.verdict, words in found.seen) == (verdict, True), found
    assert (found.do is not None) == (verdict in ("attend", "bad"))


def test_what_the_driver_does_not_say_is_unknown() -> None:
    silent = of(Library({}))
    assert {check(silent).verdict for check in gpu.CHECKS[1:]} == {"unknown"}
    assert {check(scope(None)).verdict for check in gpu.CHECKS} == {"unknown"}


def test_a_driver_that_does_not_answer_is_bad() -> None:
    found = gpu.device(scope(GpuSeen(refusal="the driver does not answer (NVML)")))
    assert (found.verdict, found.seen) == ("bad", "the driver does not answer (NVML)")


def test_a_target_on_the_cpu_has_no_gpu_to_look_at() -> None:
    assert look(Settings(provider="cpu")) is None
