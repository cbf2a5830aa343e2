"""What a GPU's driver reports: the queries, and missing answers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from tests.harness.nvml import A100, Library

import lpnet_agent.gpu
from lpnet.schemas.gpu import GpuFacts
from lpnet_agent.errors import SetupError
from lpnet_agent.gpu.device import Gpu, GpuReading, GpuSettings
from lpnet_agent.gpu.library import on_gpu, open_gpu
from lpnet_agent.measure.session_info import session_info
from lpnet_agent.runtimes.base import RuntimeInfo

BUS = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
INFO = RuntimeInfo("torch", "2.13", "cuda", "fp16", 1, {"l2": "warm"})


def a100(**answers: object) -> Gpu:
    return Gpu(Library(**answers), "gpu")


def processes(*pids: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(pid=pid) for pid in pids]


def test_every_name_that_is_used_is_one_of_nvmls() -> None:
    """The real library is asked whether it has them: a wrong one would be unknown for ever."""
    files = Path(lpnet_agent.gpu.__file__).parent.glob("*.py")
    text = "".join(file.read_text() for file in files)
    names = set(re.findall(r"\b(nvml[A-Z]\w+|NVML_\w+)", text))
    assert len(names) > 25
    assert [name for name in names if not hasattr(pynvml, name)] == []


def test_what_it_is() -> None:
    assert a100().facts() == GpuFacts(
        name="NVIDIA A100-SXM4-40GB",
        memory_mib=40960,
        compute_capability="8.0",
        driver="550.54.15",
        cuda="12.4",
        mig=False,
        ecc=True,
    )


def test_how_it_is_set_and_how_it_is() -> None:
    settings = a100().settings()
    assert settings.power_mode == "power limit 400 W, application clocks 1095/1215 MHz"
    assert (settings.sm_max_mhz, settings.sm_default_mhz, settings.display) == (1410, None, False)
    assert a100(
        nvmlDeviceGetComputeRunningProcesses=processes(os.getpid())
    ).reading() == GpuReading(
        sm_mhz=1410,
        memory_mhz=1215,
        temperature_c=34,
        power_w=61.25,
        slowed_by=frozenset(),
        fixed=False,
        heat_ns=5_000_000,
        power_ns=0,
        persistence=True,
        other_processes=0,
    )


def test_what_is_not_supported_is_unknown_and_not_zero() -> None:
    silent = Gpu(Library({}), "gpu")
    assert silent.facts() == GpuFacts()
    assert silent.settings() == GpuSettings()
    assert silent.settings().power_mode is None
    assert silent.reading() == GpuReading()


def test_a_library_older_than_a_question_leaves_it_unknown() -> None:
    class Old(Library):
        def __getattr__(self, name: str) -> object:
            if "EventReasons" in name and name.startswith("nvmlDevice"):
                raise AttributeError(name)
            return super().__getattr__(name)

    bits = pynvml.nvmlClocksThrottleReasonHwSlowdown
    reading = Gpu(Old(nvmlDeviceGetCurrentClocksThrottleReasons=bits), "gpu").reading()
    assert reading.slowed_by == frozenset({"hardware"})


@pytest.mark.parametrize(
    ("bits", "causes", "fixed"),
    [
        (pynvml.nvmlClocksEventReasonSwPowerCap, {"power_cap"}, False),
        (pynvml.nvmlClocksEventReasonSwThermalSlowdown, {"heat_driver"}, False),
        (
            pynvml.nvmlClocksEventReasonHwSlowdown | pynvml.nvmlClocksEventReasonHwThermalSlowdown,
            {"hardware", "heat_hardware"},
            False,
        ),
        (pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown, {"power_brake"}, False),
        (pynvml.nvmlClocksEventReasonSyncBoost, {"sync_boost"}, False),
        (pynvml.nvmlClocksEventReasonApplicationsClocksSetting, set(), True),
    ],
)
def test_why_its_clock_is_held_down(bits: int, causes: set[str], fixed: bool) -> None:
    reading = a100(nvmlDeviceGetCurrentClocksEventReasons=bits).reading()
    assert set(reading.slowed_by or ()) == causes
    assert reading.fixed == fixed


@pytest.mark.parametrize(
    ("pids", "used", "other_processes"),
    [
        ((), True, None),  # the driver names nobody, though this process is there
        ((1,), True, 0),  # this one, by the number it has outside of its container
        ((os.getpid(), 7), True, 1),
        ((7, 8, 8), True, 1),
        ((), False, 0),
        ((7, 8), False, 2),
    ],
)
def test_who_else_computes_on_it(
    pids: tuple[int, ...], used: bool, other_processes: int | None
) -> None:
    gpu = a100(nvmlDeviceGetComputeRunningProcesses=processes(*pids))
    assert gpu.reading(used=used).other_processes == other_processes


def test_a_cpu_target_loads_no_nvml() -> None:
    def never() -> object:
        raise AssertionError("nobody asks")

    with open_gpu("cpu", never) as gpu:
        assert gpu is None
    assert [on_gpu(name) for name in ("cpu", "cuda", "tensorrt")] == [False, True, True]


def test_without_the_drivers_library_nothing_is_known() -> None:
    library = Library(nvmlInit=pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    with open_gpu("cuda", lambda: library, BUS) as gpu:
        assert gpu is None
    info = session_info("session", INFO, None)
    assert (info.driver, info.power_mode) == (None, None)
    assert info.options == {"l2": "warm", "gpu": None, "mig": None, "ecc": None}


def test_the_gpu_is_part_of_the_targets_identity() -> None:
    library = Library()
    with open_gpu("cuda", lambda: library, BUS) as gpu:
        info = session_info("session", INFO, gpu)
    assert info.driver == "550.54.15"
    assert info.power_mode == "power limit 400 W, application clocks 1095/1215 MHz"
    assert info.options == {
        "l2": "warm",
        "gpu": "NVIDIA A100-SXM4-40GB",
        "mig": False,
        "ecc": True,
    }
    assert library.calls[-1] == ("nvmlShutdown",)


def test_nothing_is_ever_set() -> None:
    library = Library()
    with open_gpu("cuda", lambda: library, BUS) as gpu:
        assert gpu is not None
        gpu.facts(), gpu.settings(), gpu.reading()
    verbs = {
        re.sub(r"nvml(Device|System)?([A-Z][a-z]+).*", r"\2", ask[0]) for ask in library.calls
    }
    assert verbs == {"Get", "Init", "Shutdown"}


@pytest.mark.parametrize(
    ("environment", "count", "question"),
    [
        ({}, 1, ("nvmlDeviceGetHandleByIndex", 0)),
        (BUS, 4, ("nvmlDeviceGetHandleByIndex", 0)),
        (BUS | {"CUDA_VISIBLE_DEVICES": "2,3"}, 4, ("nvmlDeviceGetHandleByIndex", 2)),
        (
            {"CUDA_VISIBLE_DEVICES": "GPU-8932f937"},
            4,
            ("nvmlDeviceGetHandleByUUID", "GPU-8932f937"),
        ),
        (
            {"CUDA_VISIBLE_DEVICES": "MIG-1234"},
            1,
            ("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", "by uuid"),
        ),
    ],
)
def test_the_gpu_that_cuda_counts_first_is_asked(
    environment: dict[str, str], count: int, question: tuple[object, ...]
) -> None:
    library = Library(nvmlDeviceGetCount=count)
    with open_gpu("cuda", lambda: library, environment) as gpu:
        assert gpu is not None
    assert question in library.calls


@pytest.mark.parametrize(
    ("environment", "count", "word"),
    [
        ({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, 2, "CUDA_DEVICE_ORDER=FASTEST_FIRST"),
        (BUS | {"CUDA_VISIBLE_DEVICES": "5"}, 2, "CUDA_VISIBLE_DEVICES=5"),
        (BUS | {"CUDA_VISIBLE_DEVICES": ""}, 2, "CUDA_VISIBLE_DEVICES="),
    ],
)
def test_a_gpu_that_cannot_be_told_is_refused(
    environment: dict[str, str], count: int, word: str
) -> None:
    library = Library(A100, nvmlDeviceGetCount=count)
    with pytest.raises(SetupError, match=word), open_gpu("cuda", lambda: library, environment):
        pass
    assert library.calls[-1] == ("nvmlShutdown",)
