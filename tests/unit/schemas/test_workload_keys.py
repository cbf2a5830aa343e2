"""Keys of workloads along a width are those of the workloads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lpnet.schemas.workload import SpaceWorkload, keys_along, workload_key

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
