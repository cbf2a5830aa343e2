"""Cutting a campaign into jobs. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import numpy as np

from lpnet.schemas.campaign import PlannedWorkload

# A job is 10 to 30 s of measuring: 24 blocks, or 6 networks, or some of both. Fewer would wait for
# the later visits of the unsettled ones with nothing else to do; more would be lost with an agent.
JOB_WEIGHT = 24
NETWORK_WEIGHT = 4
LOWEST_BUDGET, HIGHEST_BUDGET = 0.35, 0.95


def cut(workloads: Iterable[PlannedWorkload]) -> list[list[PlannedWorkload]]:
    """Workloads, in their order, as jobs."""
    jobs: list[list[PlannedWorkload]] = []
    room = 0
    for planned in workloads:
        weight = NETWORK_WEIGHT if planned.kind == "network" else 1
        if weight > room:
            jobs.append([])
            room = JOB_WEIGHT
        jobs[-1].append(planned)
        room -= weight
    return jobs


def repeats(workloads: Sequence[PlannedWorkload], count: int, seed: int) -> list[PlannedWorkload]:
    """Workloads to measure again, at random: networks and blocks by turns while both last."""
    rng = np.random.default_rng((seed, 1))
    mixed = [workloads[i] for i in rng.permutation(len(workloads))]
    networks = [planned for planned in mixed if planned.kind == "network"]
    blocks = [planned for planned in mixed if planned.kind == "block"]
    turns = chain.from_iterable(zip_longest(networks, blocks))
    return [planned for planned in turns if planned is not None][:count]


def budgets(dense_ms: float, count: int) -> list[float]:
    """Budgets in ms for the networks that a pruner would choose, spread evenly."""
    shares = np.linspace(LOWEST_BUDGET, HIGHEST_BUDGET, count)
    return [float(dense_ms * share) for share in shares]
