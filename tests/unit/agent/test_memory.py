"""How fast memory is around visits, with a simulated runtime and clock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples

from lpnet.schemas.sample import Conditions
from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.measure.memory import MemoryMonitor
from lpnet_agent.runtimes.base import Array, RuntimeInfo


@dataclass
class Memory:
    """A clock, and a runtime whose inferences take `ms` by it."""

    ms: float = 2.0
    now_ns: int = 0
    runs: int = 0
    fails: bool = False
    breaks: bool = False
    tight: bool = False
    models: list[bytes] = field(default_factory=list)

    def wall(self) -> int:
        return self.now_ns

    def cpu(self) -> int:
        return self.now_ns

    def waited(self) -> int | None:
        return None

    def sleep_until(self, wall: int) -> None:
        self.now_ns = max(self.now_ns, wall)

    def describe(self) -> RuntimeInfo:
        raise AssertionError("nobody asks")

    def load(self, model: bytes) -> Memory:
        if self.fails:
            raise RuntimeFailed("out of memory")
        self.models.append(model)
        return self

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        raise AssertionError("nobody asks")

    def run(self, n: int) -> None:
        if self.tight:
            raise OutOfMemory("no room beside a large network")
        if self.breaks:
            raise RuntimeFailed("out of memory")
        self.runs += n
        self.now_ns += round(n * self.ms * 1e6)


def start(memory: Memory) -> MemoryMonitor:
    return MemoryMonitor(memory, memory)


def test_the_memory_sentinel_is_what_runs() -> None:
    memory = Memory()
    start(memory)
    (model,) = memory.models
    assert len(model) > 60e6, "64 MiB of weights"
    assert memory.runs > 0, "what is usual is known before the first visit"


@examples(15)  # each makes 64 MiB of weights
@given(st.floats(0.2, 50), st.floats(1, 4))
def test_a_slow_spell_shows_beside_what_is_usual(ms: float, factor: float) -> None:
    memory = Memory(ms)
    monitor = start(memory)
    calm = monitor.read_ms()
    assert monitor.slower_pct(calm) == pytest.approx(0, abs=0.01)
    memory.ms = ms * factor
    slow = monitor.read_ms()
    expected = pytest.approx(100 * (factor - 1), abs=0.5)
    assert monitor.slower_pct(calm, slow) == expected
    assert monitor.slower_pct(slow, calm) == expected


def test_a_spell_that_lasts_becomes_usual() -> None:
    """Then it is for the sentinels to find, which have levels from before."""
    memory = Memory(2.0)
    monitor = start(memory)
    memory.ms = 3.0
    for _ in range(400):
        monitor.read_ms()
    assert monitor.slower_pct(monitor.read_ms()) == pytest.approx(0, abs=0.01)


def test_a_reading_of_just_now_serves_twice() -> None:
    memory = Memory()
    monitor = start(memory)
    after, runs = monitor.read_ms(), memory.runs
    memory.now_ns += 1_000_000
    assert monitor.recent_ms() == after
    assert memory.runs == runs
    memory.now_ns += 1_000_000_000
    monitor.recent_ms()
    assert memory.runs > runs


@pytest.mark.parametrize("memory", [Memory(fails=True), Memory(breaks=True), Memory(tight=True)])
def test_where_the_sentinel_cannot_be_run_nothing_is_claimed(memory: Memory) -> None:
    monitor = start(memory)
    assert monitor.read_ms() is None
    assert monitor.recent_ms() is None
    assert monitor.slower_pct(None, None) is None
    assert Conditions().memory_pct is None


def test_without_room_for_a_moment_it_is_unknown_for_that_moment() -> None:
    memory = Memory()
    monitor = start(memory)
    memory.tight = True
    assert monitor.read_ms() is None
    memory.tight = False
    memory.now_ns += 1_000_000_000
    assert monitor.recent_ms() == pytest.approx(2.0)


def test_it_is_loaded_from_a_file_where_a_runtime_reads_files() -> None:
    """Once less of it in memory; the file is gone afterwards."""

    @dataclass
    class Reads(Memory):
        files: list[Path] = field(default_factory=list)

        def load_file(self, model: Path) -> Memory:
            assert model.stat().st_size > 60e6
            self.files.append(model)
            return self

    memory = Reads()
    assert start(memory).read_ms() == pytest.approx(2.0)
    assert memory.models == []
    assert [file.exists() for file in memory.files] == [False]


def test_where_no_file_can_be_written_it_is_loaded_from_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @dataclass
    class Reads(Memory):
        def load_file(self, model: Path) -> Memory:
            raise AssertionError("there is none")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    memory = Reads()
    assert start(memory).read_ms() == pytest.approx(2.0)
    assert len(memory.models) == 1


def test_the_measuring_process_imports_nothing_that_it_does_not_need() -> None:
    """Each would take megabytes of it, and time of its start."""
    code = (
        "import sys, lpnet_agent.measure.worker, lpnet_agent.measure.visits; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unneeded = {"httpx", "structlog", "rich", "typer", "torch", "onnxruntime", "cpuinfo"}
    assert unneeded.isdisjoint(done.stdout.split())
