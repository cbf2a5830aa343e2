"""Choosing what to measure next."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from tests.unit.training.conftest import MakeRecords

from lpnet.errors import LpnetError
from lpnet_service.training import Record, most_informative
from lpnet_service.training.design.greedy import batch


def variance(candidates: np.ndarray, own: np.ndarray, reference: np.ndarray) -> float:
    """The mean variance of the reference after all candidates were measured."""
    between = reference @ candidates.T
    inner = candidates @ candidates.T + np.diag(own)
    left = reference @ reference.T - between @ np.linalg.solve(inner, between.T)
    return float(np.diag(left).mean())


def test_each_choice_leaves_the_least_variance() -> None:
    rng = np.random.default_rng(0)
    candidates, reference = rng.normal(size=(9, 6)), rng.normal(size=(5, 6))
    own = rng.uniform(0.1, 2.0, 9)
    chosen = batch(candidates, own, reference, 4)
    for step, number in enumerate(chosen):
        after = {
            i: variance(candidates[[*chosen[:step], i]], own[[*chosen[:step], i]], reference)
            for i in range(9)
            if i not in chosen[:step]
        }
        assert min(after, key=after.__getitem__) == number
    # Greedy is near the best of all batches.
    best = min(
        variance(candidates[list(own_)], own[list(own_)], reference)
        for own_ in combinations(range(9), 4)
    )
    assert variance(candidates[chosen], own[chosen], reference) < 1.2 * best


def test_nothing_is_chosen_twice() -> None:
    chosen = batch(np.ones((3, 2)), np.full(3, 0.1), np.ones((1, 2)), 5)
    assert sorted(chosen) == [0, 1, 2]


def test_blocks_near_the_networks_that_matter_are_chosen(make_records: MakeRecords) -> None:
    def wide(record: Record) -> bool:
        return min((record.widths or {}).values()) >= 80

    measured = make_records(20, 0)
    candidates = make_records(60, 0, seed=7)
    reference = [record for record in make_records(0, 80, seed=8) if wide(record)]
    assert reference
    numbers = most_informative(measured, candidates, reference, 8, target="t", seed=0)
    assert len(set(numbers)) == 8
    share = sum(wide(record) for record in candidates) / len(candidates)
    assert sum(wide(candidates[i]) for i in numbers) / 8 > 1.5 * share


def test_too_few_samples_say_nothing(make_records: MakeRecords) -> None:
    few, networks = make_records(2, 0), make_records(0, 1)
    with pytest.raises(LpnetError, match="choosing what to measure on t needs at least"):
        most_informative(few, few, networks, 1, target="t", seed=0)
    assert most_informative(few, [], networks, 1, target="t", seed=0) == []
