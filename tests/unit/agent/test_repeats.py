"""Which repeats count: those nothing else got in the way of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lpnet_agent.measure.repeats import Repeats

MS = 1_000_000


def repeats(
    wall_ms: list[float], waited_ms: list[float] | None = None, cpu_ms: list[float] | None = None
) -> Repeats:
    """One after the other; what is neither waiting nor said otherwise is CPU time."""
    wall = np.array(wall_ms) * MS
    waited = np.zeros(wall.size) if waited_ms is None else np.array(waited_ms) * MS
    cpu = wall - waited if cpu_ms is None else np.array(cpu_ms) * MS
    started = np.concatenate(([0], np.cumsum(wall)[:-1]))
    started, wall, cpu, waited = (p.astype(np.int64) for p in (started, wall, cpu, waited))
    return Repeats(started, wall, cpu, waited, inner=1)


def test_quiet_repeats_all_count() -> None:
    rng = np.random.default_rng(0)
    taken = repeats(list(rng.normal(1, 0.005, 300)))
    assert taken.undisturbed().all()
    assert taken.steady().all()


def test_a_repeat_that_waited_does_not_count_nor_what_follows_at_once() -> None:
    taken = repeats([1, 4, *[1] * 20], [0, 3, *[0] * 20])
    assert taken.undisturbed().tolist() == [True, False, *[False] * 10, *[True] * 10]


def test_every_long_wait_begins_a_recovery_of_its_own() -> None:
    walls, waits = [1.0] * 50, [0.0] * 50
    for index in (5, 12):
        walls[index], waits[index] = 2.0, 1.0
    counted = np.flatnonzero(repeats(walls, waits).undisturbed()).tolist()
    assert counted == [*range(5), *range(23, 50)]


def test_a_short_wait_leaves_the_next_repeat_alone() -> None:
    taken = repeats([1, 1.1, 1], [0, 0.1, 0])
    assert taken.undisturbed().tolist() == [True, False, True]


def test_housekeeping_of_the_kernel_is_not_counted() -> None:
    assert repeats([36.0] * 10, [0.05] * 10).undisturbed().all()


def test_stolen_time_is_neither_cpu_nor_waiting() -> None:
    taken = repeats([1, 2, 1], cpu_ms=[1, 1, 1])
    assert taken.undisturbed().tolist() == [True, False, True]


def test_several_threads_use_more_cpu_than_wall_time() -> None:
    assert repeats([1.0] * 5, cpu_ms=[3.9] * 5).undisturbed().all()


def test_without_the_kernels_word_wall_beyond_cpu_is_waiting() -> None:
    recorded = repeats([1, 4, 1, 1], [0, 3, 0, 0])
    untold = Repeats(recorded.started, recorded.wall, recorded.cpu, None, 1)
    assert untold.undisturbed().tolist() == recorded.undisturbed().tolist()


def test_a_slow_spell_is_left_out() -> None:
    """A neighbour on a shared cache: no counter tells, all repeats of 100 ms take 20% longer."""
    rng = np.random.default_rng(1)
    walls = rng.normal(1, 0.01, 400)
    walls[150:250] *= 1.2
    taken = repeats(list(walls))
    assert taken.undisturbed().all()
    counted = taken.steady()
    assert not counted[160:240].any()
    assert counted[:140].all()
    assert counted[260:].all()
    assert abs(np.median(taken.ms[counted]) - 1) < 0.003


def test_outliers_here_and_there_are_no_slow_spell() -> None:
    walls = np.full(300, 1.0)
    walls[::7] = 1.5
    assert repeats(list(walls)).steady().all()


@given(st.lists(st.tuples(st.floats(0.2, 50), st.floats(0, 1)), min_size=1, max_size=120))
def test_what_counts_is_undisturbed_and_the_quicker_part(rows: list[tuple[float, float]]) -> None:
    taken = repeats([wall for wall, _ in rows], [wall * share for wall, share in rows])
    undisturbed, counted = taken.undisturbed(), taken.steady()
    assert (counted <= undisturbed).all()
    assert counted.any() == undisturbed.any()
    if counted.any():
        assert np.median(taken.ms[counted]) <= np.median(taken.ms[undisturbed]) + 1e-9
