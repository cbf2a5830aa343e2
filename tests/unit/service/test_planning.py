"""Cutting campaigns into jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet.schemas.campaign import NewCampaign, PlannedWorkload
from lpnet.schemas.workload import Kind, SpaceWorkload
from lpnet_service.services.measuring.planning import (
    budgets,
    cut_into_jobs,
    random_blocks,
    repeats,
)


def planned(kind: Kind, number: int) -> PlannedWorkload:
    block = None if kind == "network" else "b"
    workload = SpaceWorkload(space="0" * 64, block=block, widths={"a": number + 1})
    return PlannedWorkload(kind=kind, workload=workload)


kinds: st.SearchStrategy[list[Kind]] = st.lists(st.sampled_from(["block", "network"]))


@given(kinds)
def test_jobs_hold_every_workload_once_in_order_and_stay_small(given_kinds: list[Kind]) -> None:
    workloads = [planned(kind, i) for i, kind in enumerate(given_kinds)]
    jobs = cut_into_jobs(workloads)
    assert [planned for job in jobs for planned in job] == workloads
    for job in jobs:
        networks = sum(planned.kind == "network" for planned in job)
        assert 0 < 4 * networks + (len(job) - networks) <= 24


def test_a_job_is_two_dozen_blocks_or_half_a_dozen_networks() -> None:
    assert [len(job) for job in cut_into_jobs(planned("block", i) for i in range(49))] == [
        24,
        24,
        1,
    ]
    assert [len(job) for job in cut_into_jobs(planned("network", i) for i in range(13))] == [
        6,
        6,
        1,
    ]


@given(kinds, st.integers(1, 30))
def test_only_the_first_job_is_smaller(given_kinds: list[Kind], first: int) -> None:
    workloads = [planned(kind, i) for i, kind in enumerate(given_kinds)]
    jobs = cut_into_jobs(workloads, first)
    assert [planned for job in jobs for planned in job] == workloads
    if jobs:
        assert len(jobs[0]) <= first
        assert jobs[1:] == cut_into_jobs(workloads[len(jobs[0]) :])


@given(kinds, st.integers(0, 30))
def test_repeats_are_distinct_workloads_of_both_kinds_the_first_ones(
    given_kinds: list[Kind], count: int
) -> None:
    workloads = [planned(kind, i) for i, kind in enumerate(given_kinds)]
    repeated = repeats(workloads, count)
    assert len(repeated) == min(count, len(workloads))
    assert len({planned.workload.widths["a"] for planned in repeated}) == len(repeated)
    if count > 1 and set(given_kinds) == {"block", "network"}:
        assert {planned.kind for planned in repeated} == {"block", "network"}
    for kind in ("block", "network"):
        alike = [planned for planned in repeated if planned.kind == kind]
        assert alike == [planned for planned in workloads if planned.kind == kind][: len(alike)]


def test_budgets_spread_from_a_third_to_nearly_all() -> None:
    assert budgets(10.0, 4) == pytest.approx([3.5, 5.5, 7.5, 9.5])
    assert budgets(10.0, 1) == pytest.approx([3.5])


@pytest.mark.parametrize(
    ("blocks", "pruned", "random"), [(40, 5, 40), (100, 5, 60), (300, 1, 150), (300, 0, 300)]
)
def test_half_of_many_blocks_are_random_if_there_is_a_plan(
    blocks: int, pruned: int, random: int
) -> None:
    new = NewCampaign(target="t", space="0" * 64, blocks=blocks, pruned=pruned)
    assert random_blocks(new) == random
