"""What a job does about workloads that are not settled, failed, or cut short."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet_agent.errors import Interrupted, WorkerDied
from lpnet_agent.measure.job import ItemResult, VisitSchedule, measure_all
from lpnet_agent.measure.messages import Item

OPEN, SETTLED = False, True


def item(name: str) -> Item:
    workload = SpaceWorkload(space="0" * 64, block=name, widths={"conv": 4})
    return Item(kind="block", workload=workload)


class Machine:
    """Answers the visits to each block with the next of its answers; an exception is raised. A
    block without answers is settled at its second visit. Its clock moves only while it waits."""

    def __init__(self, schedule: VisitSchedule, **answers: Sequence[bool | Exception]) -> None:
        self.schedule = schedule
        self._answers = defaultdict(
            lambda: deque([OPEN, SETTLED]), {k: deque(v) for k, v in answers.items()}
        )
        self.order: list[str] = []
        self.first: list[bool] = []
        self.now = 0.0

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        name = str(item.workload.block)
        self.order.append(name)
        self.first.append(first)
        answer = self._answers[name].popleft()
        if isinstance(answer, Exception):
            raise answer
        if answer is OPEN and self.order.count(name) < visits:
            return None
        return Sample(workload=item.workload, latency_ms=1.0, disturbed=answer is OPEN)

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    machines: list[Machine] = []
    monkeypatch.setattr("lpnet_agent.measure.job.time.monotonic", lambda: machines[-1].now)
    return machines


def run(clock: list[Machine], machine: Machine, *names: str, calls: int = 999) -> list[ItemResult]:
    clock.append(machine)
    remaining = iter(range(calls))
    return list(
        measure_all(
            machine,
            [item(name) for name in names],
            lambda item: Path("space.onnx"),
            lambda: next(remaining, None) is not None,
        )
    )


def blocks(results: list[ItemResult]) -> list[str | None]:
    return [result.item.workload.block for result in results]


def test_every_workload_is_visited_twice_with_the_others_in_between(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=0.0))
    assert blocks(run(clock, machine, "a", "b", "c")) == ["a", "b", "c"]
    assert machine.order == ["a", "b", "c"] * 2
    assert machine.first == [True] * 3 + [False] * 3


def test_what_is_not_settled_is_visited_again_ever_later(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(visits=5, gap_s=1.0), a=[OPEN] * 4 + [SETTLED])
    (result, *_) = reversed(run(clock, machine, "a", "b"))
    assert machine.order == ["a", "b", "a", "b", "a", "a", "a"]
    assert result.sample is not None
    assert not result.sample.disturbed
    assert machine.now == pytest.approx(1 + 2 + 4 + 8)


class Forgetful(Machine):
    """Its process is replaced once, so that what its third visit found is not known."""

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        return super().visit(item, space_file, first=first, visits=visits + 2)


def test_visits_that_were_forgotten_are_made_again(clock: list[Machine]) -> None:
    machine = Forgetful(VisitSchedule(visits=3, gap_s=0.0), a=[OPEN] * 9)
    (result,) = run(clock, machine, "a")
    assert len(machine.order) == 5
    assert result.sample is not None
    assert result.sample.disturbed


class Lost(Machine):
    """Its process never lives long enough."""

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        self.order.append(str(item.workload.block))
        return None


def test_a_process_that_never_stays_is_a_failure(clock: list[Machine]) -> None:
    machine = Lost(VisitSchedule(visits=3, gap_s=0.0))
    (result,) = run(clock, machine, "a")
    assert len(machine.order) == 6
    assert result.sample is None
    assert "replaced too often" in str(result.reason)


def test_the_visits_end_and_the_sample_is_disturbed(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(visits=3, gap_s=0.0), a=[OPEN] * 9)
    (result,) = run(clock, machine, "a")
    assert len(machine.order) == 3
    assert result.sample is not None
    assert result.sample.disturbed


def test_a_failure_has_its_reason_and_the_others_go_on(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=0.0), a=[WorkerDied("gone")])
    results = run(clock, machine, "a", "b")
    assert [(r.item.workload.block, r.reason) for r in results] == [("a", "gone"), ("b", None)]


def test_a_failure_at_a_later_visit_is_one_too(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=0.0), a=[OPEN, WorkerDied("gone")])
    assert [r.reason for r in run(clock, machine, "a")] == ["gone"]


def test_the_end_leaves_out_what_is_not_settled(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=0.0), a=[SETTLED])
    assert blocks(run(clock, machine, "a", "b", "c", calls=3)) == ["a"]


def test_the_end_may_come_while_it_rests(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=60.0))
    assert run(clock, machine, "a", calls=3) == []
    assert machine.now < 5


def test_an_interrupted_workload_is_neither_measured_nor_failed(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=0.0), a=[SETTLED], b=[Interrupted("ending")])
    assert blocks(run(clock, machine, "a", "b", "c")) == ["a"]
    assert machine.order == ["a", "b"]


def test_each_round_has_an_order_of_its_own(clock: list[Machine]) -> None:
    machine = Machine(VisitSchedule(gap_s=0.0))
    clock.append(machine)
    names = [str(number) for number in range(20)]
    results = list(
        measure_all(
            machine,
            [item(name) for name in names],
            lambda item: Path("space.onnx"),
            lambda: True,
            np.random.default_rng(0),
        )
    )
    first, second = machine.order[:20], machine.order[20:]
    assert sorted(first) == sorted(second) == sorted(names)
    assert len({tuple(names), tuple(first), tuple(second)}) == 3
    assert len(results) == 20
