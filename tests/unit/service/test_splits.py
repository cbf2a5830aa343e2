"""Which workloads are held out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lpnet.schemas.workload import Kind
from lpnet_service.services.learning.splits import Candidate, draw_sides

DRAWS = ["random", "mixed", "aligned", "dense", "pruned", None]
workloads = st.lists(
    st.builds(
        Candidate,
        key=st.integers(0, 10_000).map(str),
        kind=st.sampled_from(["block", "network"]),
        draw=st.sampled_from(DRAWS),
    ),
    max_size=120,
    unique_by=lambda c: c.key,
)


def draw(candidates: list[Candidate], drawn: dict[str, tuple[str, bool]] | None = None) -> dict:  # type: ignore[type-arg]
    return draw_sides(candidates, drawn or {}, target="t", epoch=1)


def networks(count: int, draw_: str | None = "random", start: int = 0) -> list[Candidate]:
    return [Candidate(f"n{start + i}", "network", draw_) for i in range(count)]


def held(sides: dict[str, tuple[str, bool]], kind: Kind = "network") -> int:
    return sum(out for kind_, out in sides.values() if kind_ == kind)


@given(workloads)
def test_every_workload_has_a_side_and_the_shares_hold(candidates: list[Candidate]) -> None:
    sides = draw(candidates)
    assert set(sides) == {c.key for c in candidates}
    count = sum(c.kind == "network" for c in candidates)
    assert held(sides) == min(max(10, -(-count // 4)), count // 2)
    assert held(sides, "block") == round(0.2 * (len(candidates) - count))


@given(workloads, st.randoms())
def test_the_order_of_samples_does_not_matter(candidates: list[Candidate], random: object) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert draw(shuffled) == draw(candidates)


@given(workloads, st.integers(0, 120))
def test_sides_are_never_redrawn(candidates: list[Candidate], first: int) -> None:
    before = draw(candidates[:first])
    added = draw(candidates, before)
    assert not added.keys() & before.keys()
    sides = before | added
    count = sum(c.kind == "network" for c in candidates)
    assert held(sides) <= max(count // 2, held(before))
    assert not draw(candidates, sides)


def test_the_same_workload_twice_is_one_workload() -> None:
    assert len(draw(networks(30) + networks(30))) == 30


def test_at_least_ten_networks_a_quarter_and_never_more_than_half() -> None:
    assert [held(draw(networks(n))) for n in (0, 1, 2, 12, 20, 50, 51, 100)] == [
        0,
        0,
        1,
        6,
        10,
        13,
        13,
        25,
    ]


def test_half_of_the_pruned_networks_are_judged_on_and_the_dense_one_is_learned_from() -> None:
    sides = draw(networks(1, "dense") + networks(39, start=1) + networks(10, "pruned", 40))
    pruned = [sides[f"n{i}"][1] for i in range(40, 50)]
    assert sum(pruned) >= 5
    assert held(sides) == 13
    assert not sides["n0"][1]


def test_networks_that_come_later_are_held_out_too() -> None:
    before = draw(networks(20))
    after = draw(networks(80), before)
    assert held(before) == 10
    assert held(before | after) == 20


def test_other_epochs_draw_other_sides() -> None:
    first = draw_sides(networks(60), {}, target="t", epoch=1)
    two = draw_sides(networks(60), {}, target="t", epoch=2)
    assert first != two


@given(workloads)
def test_chosen_workloads_have_no_side(candidates: list[Candidate]) -> None:
    chosen = [Candidate(f"c{i}", "block", "chosen") for i in range(50)]
    assert draw([*candidates, *chosen]) == draw(candidates)
