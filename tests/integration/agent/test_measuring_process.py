"""The measuring process: real processes, also ones that die, hang, or lose their agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.harness.simulation import simulated_device

from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, MeasureFailed, SetupError, WorkerDied, WorkerHung
from lpnet_agent.measure.job import Measurer, measure_all
from lpnet_agent.measure.messages import Item, Setup

Make = Callable[[int], Item]


@pytest.fixture
def measurer(setup: Setup, stop: Stop) -> Iterator[Measurer]:
    with Measurer(setup, stop, timeout_s=60) as measurer:
        yield measurer


def workers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "lpnet_agent.measure.worker" in child.cmdline()
    ]


def ended_within(process: psutil.Process, seconds: float) -> bool:
    """Ended, even if nobody has collected what is left of it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            process.wait(0.1)
        except psutil.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            return True
        return True
    return False


def test_a_block_becomes_a_sample(
    measurer: Measurer, setup: Setup, block_item: Make, space_file: Path
) -> None:
    item = block_item(2).model_copy(update={"id": "some-id-0001"})
    sample = measurer.measure(item, space_file)
    assert sample.id == "some-id-0001"
    assert (sample.kind, sample.draw, sample.workload) == ("block", "dense", item.workload)
    assert sample.session == measurer.session_info.session
    assert sample.count is not None
    assert sample.count >= 6
    assert sample.min_ms is not None
    assert sample.p90_ms is not None
    assert sample.min_ms <= sample.latency_ms <= sample.p90_ms
    assert sample.ci_low_ms is not None
    assert sample.ci_high_ms is not None
    assert sample.ci_low_ms <= sample.latency_ms <= sample.ci_high_ms
    assert sample.conditions is not None
    assert sample.conditions.wall_s is not None
    assert sample.conditions.wall_s > 0
    assert sample.measured_at is not None
    (worker,) = workers()
    assert tuple(worker.cpu_affinity()) == setup.cores


def test_a_network_takes_longer_than_its_blocks(
    setup: Setup, stop: Stop, block_item: Make, network_item: Item, space_file: Path
) -> None:
    with simulated_device(), Measurer(setup, stop, timeout_s=60) as measurer:
        whole = measurer.measure(network_item, space_file)
        part = measurer.measure(block_item(1), space_file)
    assert whole.kind == "network"
    assert whole.latency_ms > 2 * part.latency_ms
    assert whole.id != part.id


def test_a_workload_that_cannot_be_is_refused_in_words(
    measurer: Measurer, network_item: Item, space_file: Path
) -> None:
    name, width = next(iter(network_item.workload.widths.items()))
    widths = {**network_item.workload.widths, name: width + 1}
    wrong = network_item.model_copy(
        update={"workload": network_item.workload.model_copy(update={"widths": widths})}
    )
    with pytest.raises(MeasureFailed, match=name):
        measurer.measure(wrong, space_file)
    other = network_item.model_copy(
        update={"workload": network_item.workload.model_copy(update={"space": "0" * 64})}
    )
    with pytest.raises(MeasureFailed, match="0000"):
        measurer.measure(other, space_file)
    assert measurer.measure(network_item, space_file).latency_ms > 0


def test_a_fresh_session_is_another_process(
    measurer: Measurer, block_item: Make, space_file: Path
) -> None:
    first = measurer.measure(block_item(1), space_file)
    measurer.renew()
    second = measurer.measure(block_item(1), space_file)
    assert first.session != second.session
    assert len(workers()) == 1


def test_a_dead_process_costs_one_workload(
    measurer: Measurer, block_item: Make, space_file: Path
) -> None:
    (worker,) = workers()
    worker.suspend()
    killer = threading.Timer(0.2, worker.kill)
    killer.start()
    with pytest.raises(WorkerDied, match="ended with code -9"):
        measurer.visit(block_item(1), space_file, first=True, visits=2)
    killer.join()
    assert measurer.measure(block_item(1), space_file).latency_ms > 0


def test_a_hanging_process_is_ended(
    setup: Setup, stop: Stop, block_item: Make, space_file: Path
) -> None:
    with Measurer(setup, stop, timeout_s=0.3) as measurer:
        (worker,) = workers()
        worker.suspend()
        with pytest.raises(WorkerHung, match="did not answer"):
            measurer.visit(block_item(1), space_file, first=True, visits=2)
        assert not worker.is_running()


def test_the_end_does_not_wait_for_a_workload_that_hangs(
    measurer: Measurer,
    stop: Stop,
    block_item: Make,
    space_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lpnet_agent.measure.process.GRACE_S", 0.2)
    (worker,) = workers()
    worker.suspend()
    stop.set()
    with pytest.raises(Interrupted):
        measurer.measure(block_item(1), space_file)


def test_a_process_that_cannot_start_says_why(stop: Stop) -> None:
    with pytest.raises(SetupError, match="unknown runtime 'nothing'"):
        Measurer(Setup(runtime="nothing", threads=1, cores=None), stop)


def test_a_job_goes_on_past_what_fails_and_ends_when_told(
    measurer: Measurer, block_item: Make, space_file: Path
) -> None:
    good = [block_item(i) for i in range(4)]
    bad = good[1].model_copy(
        update={"workload": good[1].workload.model_copy(update={"block": "no-such-block"})}
    )
    items = [good[0], bad, *good[2:]]
    results = list(measure_all(measurer, items, lambda item: space_file, lambda: True))
    assert sorted(str(r.item.workload.block) for r in results) == sorted(
        str(item.workload.block) for item in items
    )
    (failed,) = [r for r in results if r.sample is None]
    assert failed.item == bad
    assert "no-such-block" in str(failed.reason)

    # A round of first visits to all of them, and two of the second round.
    allowed = iter([True] * (len(good) + 2) + [False])
    some = list(measure_all(measurer, good, lambda item: space_file, lambda: next(allowed)))
    assert len(some) == 2


def test_order_is_random_and_complete(
    measurer: Measurer, block_item: Make, space_file: Path
) -> None:
    items = [block_item(i) for i in range(6)]
    orders = {
        tuple(
            str(r.item.workload.block)
            for r in measure_all(
                measurer, items, lambda item: space_file, lambda: True, np.random.default_rng(s)
            )
        )
        for s in range(2)
    }
    assert len(orders) == 2
    assert all(len(set(order)) == 6 for order in orders)


def test_a_killed_agent_leaves_nothing_running(setup: Setup) -> None:
    code = (
        "import sys\n"
        "from lpnet_agent.measure.job import Measurer\n"
        "from lpnet_agent.measure.messages import Setup\n"
        "from lpnet.stop import Stop\n"
        "with Measurer(Setup.model_validate_json(sys.argv[1]), Stop()):\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", code, setup.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"ready\n"
        (worker,) = psutil.Process(agent.pid).children()
        os.kill(agent.pid, signal.SIGKILL)
    assert ended_within(worker, 90)
