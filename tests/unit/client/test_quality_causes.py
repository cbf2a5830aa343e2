"""Reasons of agents are grouped by cause, with advice."""

from __future__ import annotations

import pytest

from lpnet.quality.causes import advice, causes
from lpnet.schemas.gpu import GpuConditions
from lpnet.schemas.quality import Cause
from lpnet.schemas.sample import Conditions
from lpnet_agent.gpu import conditions as gpu
from lpnet_agent.measure.interference import (
    ONLY_ONE_VISIT,
    THROTTLED,
    all_loaded,
    busy_other_cores,
    core_slowed,
    disagreeing,
)

BUSY_CORES = busy_other_cores(Conditions(elsewhere_share=0.6), 0.3)
HOT_GPU = gpu.rejection(GpuConditions(slowed_by=("heat_driver",)))


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (THROTTLED, "heat"),
        (ONLY_ONE_VISIT, "visits"),
        (disagreeing([2.0, 2.6]), "visits"),
        (all_loaded(BUSY_CORES), "cores"),
        (all_loaded("memory 35% slower than usual"), "memory"),
        (all_loaded("other work on its CPU for 12% of its time"), "cpu"),
        ("other work had its CPU in or just before 40 of 60 runs", "cpu"),
        (core_slowed(70, 120), "speed"),
        ("the hypervisor took 0.20 s of 0.60 s", "hypervisor"),
        (HOT_GPU, "gpu"),
        (all_loaded(gpu.other_load(GpuConditions(others=2))), "gpu"),
        ("sentinel memory is 9.0% slower than the level of this epoch", "drift"),
        ("it rained", "other"),
    ],
)
def test_a_reason_has_a_cause(reason: str, cause: Cause) -> None:
    (only,) = causes([[reason]])
    assert (only.cause, only.samples, only.example) == (cause, 1, reason)
    assert only.text


def test_causes_are_counted_once_for_a_sample_most_frequent_first() -> None:
    disagree = disagreeing([1.0, 2.0])
    counted = causes(
        [[disagree, disagreeing([3.0, 4.0])], [disagree, THROTTLED], ["it rained", disagree]]
    )
    assert (counted[0].cause, counted[0].samples) == ("visits", 3)
    assert {cause.cause for cause in counted} == {"visits", "heat", "other"}
    assert counted[0].example == disagree


def test_advice_is_about_the_causes_and_the_threads_and_always_names_the_doctor() -> None:
    waiting = causes([["other work had its CPU in or just before 40 of 60 runs"]])
    one, several = (advice(waiting, threads, unseen=False) for threads in (1, 4))
    assert any("quieter hour" in line for line in one)
    assert "doctor" in one[-1]
    assert [line for line in several if line not in one] == [
        line for line in several if "threads" in line
    ]
    assert any("another core" in line for line in advice([], None, unseen=True))


def test_advice_for_two_causes_is_given_once() -> None:
    both = causes(
        [["other work had its CPU in or just before 4 of 6 runs", all_loaded(BUSY_CORES)]]
    )
    lines = advice(both, 1, unseen=False)
    assert len(lines) == len(set(lines))
