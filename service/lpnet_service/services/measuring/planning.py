"""Cutting a campaign into jobs. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import numpy as np

from lpnet.schemas.campaign import NewCampaign, PlannedWorkload

# A job takes 10 to 30 s: 24 blocks, or 6 networks, or a mix. In a smaller job nothing else could
# be measured between the visits of a workload; a larger one loses more if its agent dies.
JOB_WEIGHT = 24
NETWORK_WEIGHT = 4
MIN_BUDGET_SHARE, MAX_BUDGET_SHARE = 0.35, 0.95
# Of a campaign that is planned, so many blocks, and this share of them, are drawn at random. The
# others are chosen by what they would tell, once these are measured. Held-out blocks are random.
MIN_RANDOM_BLOCKS, RANDOM_SHARE = 60, 0.5


def random_blocks(new: NewCampaign) -> int:
    """How many of the blocks of a campaign are drawn at random: all, unless a pruner chooses
    networks, since then there is a plan."""
    if not new.pruned:
        return new.blocks
    return min(new.blocks, max(MIN_RANDOM_BLOCKS, round(RANDOM_SHARE * new.blocks)))


def cut_into_jobs(
    workloads: Iterable[PlannedWorkload], first: int | None = None
) -> list[list[PlannedWorkload]]:
    """The workloads in order, cut into jobs; with `first`, the first job has at most so many."""
    jobs: list[list[PlannedWorkload]] = []
    free_weight = 0
    for planned in workloads:
        weight = NETWORK_WEIGHT if planned.kind == "network" else 1
        is_first_complete = len(jobs) == 1 and len(jobs[0]) == first
        if weight > free_weight or is_first_complete:
            jobs.append([])
            free_weight = JOB_WEIGHT
        jobs[-1].append(planned)
        free_weight -= weight
    return jobs


def repeats(workloads: Sequence[PlannedWorkload], count: int) -> list[PlannedWorkload]:
    """Workloads to measure again, alternating between networks and blocks.

    They are the first ones, so that as much time as possible passes in between. A plan is in
    random order, so these are a random part of it.
    """
    networks = [planned for planned in workloads if planned.kind == "network"]
    blocks = [planned for planned in workloads if planned.kind == "block"]
    alternating = chain.from_iterable(zip_longest(networks, blocks))
    return [planned for planned in alternating if planned is not None][:count]


def budgets(dense_ms: float, count: int) -> list[float]:
    """Evenly spread budgets, ms, for the networks that a pruner would choose."""
    shares = np.linspace(MIN_BUDGET_SHARE, MAX_BUDGET_SHARE, count)
    return [float(dense_ms * share) for share in shares]
