"""What a job does about measurements that were disturbed, failed, or cut short."""

from __future__ import annotations

from collections import defaultdict, deque
from pathlib import Path

from lpnet.schemas.sample import Conditions, Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet_agent.errors import Interrupted, WorkerDied
from lpnet_agent.measure.job import Measured, measure_all
from lpnet_agent.measure.messages import Item

QUIET, HALF, MOST = 1.0, 0.5, 0.8


def item(name: str) -> Item:
    workload = SpaceWorkload(space="0" * 64, block=name, widths={"conv": 4})
    return Item(kind="block", workload=workload)


class Machine:
    """Measures each block with the next of its shares of the CPU; an exception is raised."""

    def __init__(self, **shares: list[float | Exception]) -> None:
        self._shares = defaultdict(
            lambda: deque([QUIET]), {k: deque(v) for k, v in shares.items()}
        )
        self.order: list[str] = []

    def measure(self, item: Item, space_file: Path) -> Sample:
        name = str(item.workload.block)
        self.order.append(name)
        share = self._shares[name].popleft()
        if isinstance(share, Exception):
            raise share
        return Sample(
            workload=item.workload,
            latency_ms=1.0,
            disturbed=share < 0.9,
            reasons=("busy",) if share < 0.9 else (),
            conditions=Conditions(wall_s=1.0, cpu_s=share),
        )


def run(machine: Machine, *names: str, workloads: int = 99) -> list[Measured]:
    left = iter(range(workloads))
    return list(
        measure_all(
            machine,
            [item(name) for name in names],
            lambda item: Path("space.onnx"),
            lambda: next(left, None) is not None,
        )
    )


def shares(results: list[Measured]) -> dict[str, float | None]:
    return {
        str(r.item.workload.block): r.sample.conditions.cpu_s
        for r in results
        if r.sample is not None and r.sample.conditions is not None
    }


def test_a_disturbed_measurement_is_repeated_when_the_others_are_done() -> None:
    machine = Machine(a=[HALF, QUIET])
    results = run(machine, "a", "b", "c")
    assert machine.order == ["a", "b", "c", "a"]
    assert shares(results) == {"b": QUIET, "c": QUIET, "a": QUIET}
    assert not any(r.sample.disturbed for r in results if r.sample)


def test_one_that_stays_disturbed_is_kept_and_marked() -> None:
    for seen in ([HALF, MOST], [MOST, HALF]):
        (result,) = run(Machine(a=list(seen)), "a")
        assert result.sample is not None
        assert result.sample.disturbed
        assert shares([result]) == {"a": MOST}


def test_a_repeat_that_fails_leaves_the_first() -> None:
    machine = Machine(a=[HALF, WorkerDied("gone")])
    assert shares(run(machine, "a")) == {"a": HALF}


def test_a_failure_has_its_reason_and_the_others_go_on() -> None:
    results = run(Machine(a=[WorkerDied("gone")]), "a", "b")
    assert [(r.item.workload.block, r.reason) for r in results] == [("a", "gone"), ("b", None)]


def test_the_end_keeps_what_was_measured_disturbed_too() -> None:
    machine = Machine(a=[HALF, QUIET])
    results = run(machine, "a", "b", "c", workloads=2)
    assert machine.order == ["a", "b"]
    assert shares(results) == {"b": QUIET, "a": HALF}


def test_an_interrupted_workload_is_neither_measured_nor_failed() -> None:
    machine = Machine(b=[Interrupted("ending")])
    results = run(machine, "a", "b", "c")
    assert machine.order == ["a", "b"]
    assert shares(results) == {"a": QUIET}
