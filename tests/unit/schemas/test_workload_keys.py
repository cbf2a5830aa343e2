"""Keys of workloads along a width are those of the workloads."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from tests.harness.ops import BY_TYPE

from lpnet.schemas import ops as wire
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload, keys_along, workload_key

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    widths=st.dictionaries(names, st.integers(1, 4000), min_size=1, max_size=5),
    block=st.none() | names,
    values=st.lists(st.integers(1, 10_000), max_size=5),
)
def test_they_are_the_keys_of_the_workloads(
    widths: dict[str, int], block: str | None, values: list[int]
) -> None:
    workload = SpaceWorkload(space="0" * 64, block=block, widths=widths, batch=1)
    for name in widths:
        expected = [
            workload_key(workload.model_copy(update={"widths": widths | {name: value}}))
            for value in values
        ]
        assert keys_along(workload, name, values) == expected


def test_ops_from_before_there_were_others_keep_their_keys() -> None:
    ops = (
        wire.Conv2d(c_in=3, c_out=4, h=4, w=4, kernel=(1, 1)),
        wire.Activation(c_in=4, c_out=4, h=4, w=4),
        wire.Pool(c_in=4, c_out=4, h=4, w=4, mode="max", kernel=(2, 2)),
        wire.Resize(c_in=4, c_out=4, h=1, w=1),
        wire.Linear(c_in=3, c_out=4, inputs=(-1,)),
    )
    expected = "175639cb6d1f4082cc7376042f2aecb1d48cd50e1dda81fb7cdfa611797a1bf6"
    assert workload_key(OpsWorkload(ops=ops)) == expected


def test_every_type_of_op_is_drawn() -> None:
    union, _ = get_args(wire.Op)
    assert set(BY_TYPE) == set(get_args(union))
