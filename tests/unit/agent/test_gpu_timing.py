"""Timing on a device beside the host: simulated, with a PyTorch session, and with whole visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pynvml
import pytest
import torch
from tests.harness.nvml import Library

from lpnet import zoo
from lpnet.schemas.workload import SpaceWorkload
from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.gpu.device import Gpu
from lpnet_agent.measure.messages import Item, Setup, VisitResult, WorkloadRequest
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.timing import DeviceTimer, time_workload
from lpnet_agent.measure.visits import VisitRunner
from lpnet_agent.runtimes.base import Array, DeviceTimedSession, RuntimeInfo
from lpnet_agent.runtimes.graph import OnnxTensor
from lpnet_agent.runtimes.torch.device_session import DeviceTorchSession
from lpnet_agent.runtimes.torch.session import Placement, TorchSession

PLAN = TimingPlan.from_budget(0.3, offloaded=True)


class Machine:
    """A host and a device: an inference takes the device `cost` seconds, more while it is cold,
    and the host `launch` seconds of CPU; then the host sleeps until it is done. In its first
    `rise` seconds the device is half as fast. Emptying its cache takes `clear` seconds."""

    def __init__(self, cost: float = 2e-3, launch: float = 1e-4, rise: float = 0.0) -> None:
        self._cost, self._launch, self._rise = cost, launch, rise
        self._wall = 0.0
        self._cpu = 0.0
        self.runs = 0
        self.cleared = 0
        self.marked = 0
        self._empty = False

    def run(self, n: int) -> None:
        for _ in range(n):
            self._wall += self._launch + self._once()
            self._cpu += self._launch

    def device_ms(self) -> float:
        self.marked += 1
        took = self._once()
        self._wall += self._launch + took
        return 1e3 * took

    def prepare(self) -> None:
        self.cleared += 1
        self._wall += 5e-3
        self._empty = True

    def _once(self) -> float:
        self.runs += 1
        took = self._cost * (1.5 if self._empty else 1) * (2 if self._wall < self._rise else 1)
        self._empty = False
        return took

    def wall(self) -> int:
        return round(self._wall * 1e9)

    def cpu(self) -> int:
        return round(self._cpu * 1e9)

    def waited(self) -> int | None:
        return 0

    def sleep_until(self, wall: int) -> None:
        self._wall = max(self._wall, wall / 1e9)


def test_a_host_that_sleeps_until_the_gpu_is_done_was_not_disturbed() -> None:
    machine = Machine()
    visit = time_workload(machine.run, PLAN, machine, device=DeviceTimer())
    assert visit.repeats.undisturbed().all()
    assert np.median(visit.repeats.ms) == pytest.approx(2.1)
    assert visit.device_ms is None
    # On a CPU the same clocks say that something took nearly all of the time.
    alone = time_workload(machine.run, PLAN, machine)
    assert not alone.repeats.undisturbed().any()


def test_device_time_is_taken_beside_wall_time_and_not_in_it() -> None:
    machine = Machine()
    visit = time_workload(machine.run, PLAN, machine, device=DeviceTimer(ms=machine.device_ms))
    assert visit.device_ms is not None
    assert np.median(visit.device_ms) == pytest.approx(2.0)
    assert np.median(visit.repeats.ms) == pytest.approx(2.1)
    assert visit.device_ms.size == machine.marked
    assert 3 <= machine.marked <= len(visit.repeats)


def test_a_cold_cache_is_cold_for_every_inference_and_costs_nothing() -> None:
    machine = Machine(cost=20e-6, launch=1e-6)
    device = DeviceTimer(machine.prepare, machine.device_ms)
    visit = time_workload(machine.run, PLAN, machine, device=device)
    assert visit.repeats.inner == 1, "several in a repeat would warm it again"
    assert np.median(visit.repeats.ms) == pytest.approx(0.031)
    assert visit.device_ms is not None
    assert np.median(visit.device_ms) == pytest.approx(0.03)
    assert visit.repeats.ms.max() < 1, "emptying the cache is not timed"


def test_it_is_warmed_up_until_its_clock_has_risen() -> None:
    machine = Machine(rise=0.15)
    visit = time_workload(machine.run, PLAN, machine, inner=1, device=DeviceTimer())
    assert visit.warm
    assert visit.repeats.ms.max() == pytest.approx(2.1)


def test_a_few_inferences_at_least_come_before_windows_are_compared() -> None:
    machine = Machine(cost=0.03)
    time_workload(machine.run, PLAN, machine, inner=1, device=DeviceTimer())
    assert machine.runs >= PLAN.min_warmup_runs + PLAN.min_repeats


@dataclass
class HandClock:
    """A device's clock that says what is done in which order; the device is this process."""

    done: list[str] = field(default_factory=list)

    def mark(self) -> int:
        self.done.append("mark")
        return len(self.done)

    def wait(self) -> None:
        self.done.append("wait")

    def between(self, start: int, end: int) -> float:
        return float(end - start)

    def clear(self) -> None:
        self.done.append("clear")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.done.append("forward")
        return x


PLACEMENT = Placement(torch.device("cpu"), torch.float32, False)
INPUTS = (OnnxTensor("input", (1, 3)),)


def torch_session(clock: HandClock, *, cold: bool = False) -> DeviceTorchSession:
    clear = clock.clear if cold else None
    return DeviceTorchSession("torch", clock.forward, INPUTS, PLACEMENT, clock, clear)


def test_every_inference_is_complete_before_the_next() -> None:
    clock = HandClock()
    torch_session(clock).run(2)
    assert clock.done == ["forward", "wait", "forward", "wait"]


def test_marks_are_made_right_around_an_inference_and_read_once_it_is_done() -> None:
    clock = HandClock()
    assert torch_session(clock).device_ms() == 2.0
    assert clock.done == ["mark", "forward", "mark", "wait"]


def test_the_cache_is_emptied_to_the_end_before_an_inference() -> None:
    clock = HandClock()
    cold, warm = torch_session(clock, cold=True), torch_session(clock)
    warm.prepare()
    assert (cold.prepares, warm.prepares, clock.done) == (True, False, [])
    cold.prepare()
    assert clock.done == ["clear", "wait"]


def test_what_goes_wrong_on_the_device_is_an_error_of_the_runtime() -> None:
    clock = HandClock()
    session = torch_session(clock, cold=True)

    def broken() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def full() -> None:
        raise RuntimeError("CUDA out of memory")

    clock.wait = broken  # type: ignore[method-assign]
    for act in (lambda: session.run(1), session.prepare, session.device_ms):
        with pytest.raises(RuntimeFailed, match=r"torch cannot run.*illegal memory access"):
            act()
    clock.wait = full  # type: ignore[method-assign]
    with pytest.raises(OutOfMemory):
        session.device_ms()


def test_a_session_on_a_cpu_has_no_clock_of_its_own() -> None:
    clock = HandClock()
    assert isinstance(torch_session(clock), DeviceTimedSession)
    assert not isinstance(
        TorchSession("torch", clock.forward, INPUTS, PLACEMENT), DeviceTimedSession
    )


class FakeRuntime:
    """Computes nothing, in 100 us of the host's time and 80 us of the device's."""

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo("torch", "2", "cuda", "fp32", 1, {})

    def load(self, model: bytes) -> FakeSession:
        return FakeSession()


class FakeSession:
    prepares = False

    def run(self, n: int) -> None:
        for _ in range(n):
            x = np.zeros(4000)
            for _ in range(30):
                x += 1

    def prepare(self) -> None:
        raise AssertionError("its cache stays as it is")

    def device_ms(self) -> float:
        return 0.08

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        raise AssertionError("nobody asks")


def measured(library: Library, folder: object) -> VisitResult:
    """A block, visited until it is settled or given up, on a GPU whose driver answers so."""
    space = zoo.space("resnet20")
    setup = Setup(
        runtime="torch",
        provider="cuda",
        threads=1,
        cores=None,
        block_s=0.05,
        network_s=0.05,
        visits=2,
        crowded=0.99,
    )
    runner = VisitRunner(FakeRuntime(), setup, "session", gpu=Gpu(library, "gpu"))
    file = f"{folder}/space.onnx"
    space.save(file)
    item = Item(
        kind="network",
        workload=SpaceWorkload(space=space.hash, widths=space.named(space.dense), batch=1),
    )
    runner.run(WorkloadRequest(item=item, space_file=file, first=True, visits=2))
    return runner.run(WorkloadRequest(item=item, space_file=file, first=False, visits=2))


def test_a_sample_tells_of_its_gpu(tmp_path: object) -> None:
    processes = [SimpleNamespace(pid=1)]
    sample = measured(Library(nvmlDeviceGetComputeRunningProcesses=processes), tmp_path).sample
    assert sample is not None
    assert sample.conditions is not None
    assert sample.conditions.event_ms == 0.08
    gpu = sample.conditions.gpu
    assert gpu is not None
    assert (gpu.sm_mhz, gpu.temperature_c, gpu.power_w, gpu.others) == (1410, 34, 61.25, 0)
    assert (gpu.slowed_by, gpu.heat_s, gpu.persistence) == ((), 0, True)
    assert not [reason for reason in sample.reasons if "GPU" in reason]


def test_heat_marks_a_sample(tmp_path: object) -> None:
    hot = pynvml.nvmlClocksEventReasonHwThermalSlowdown
    sample = measured(Library(nvmlDeviceGetCurrentClocksEventReasons=hot), tmp_path).sample
    assert sample is not None
    assert sample.disturbed
    assert "the GPU was slowed down by heat" in sample.reasons
