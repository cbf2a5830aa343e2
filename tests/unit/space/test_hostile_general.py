"""Files of spaces with ops of any kind that somebody damaged or made to do harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples
from tests.harness.networks import NETWORKS

from lpnet.errors import FileFormatError
from lpnet.space import limits
from lpnet.space.space import Space

NAMES = ("c2f", "fused attention", "lstm")
HOSTILE: tuple[Any, ...] = (
    *(-1, 0, 1, 2, 7, 10**6, 10**9, 2**31, 2**63, 10**30, -(2**63), 1.5, 1e308, True, None),
    *("", "a", "Relu", "If", "\x00", "n" * 600, [], [[]], {}, [0] * 600, {"format": 2}),
)
Path = tuple[Any, ...]


@cache
def space_of(name: str) -> Space:
    network = next(network for network in NETWORKS if network.name == name)
    return Space.from_model(network.model(), network.input())


@cache
def text_of(name: str) -> str:
    text: str = space_of(name).to_onnx().metadata_props[0].value
    return text


def paths(value: Any, start: Path = ()) -> Iterator[Path]:
    """Where all parts of a JSON value are."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*start, key)
        yield from paths(item, (*start, key))


@cache
def paths_of(name: str) -> list[Path]:
    return list(paths(json.loads(text_of(name))))


def with_text(name: str, text: str) -> bytes:
    model = space_of(name).to_onnx()
    model.metadata_props[0].value = text
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def edited(name: str, edit: Callable[[Any], None]) -> bytes:
    meta = json.loads(text_of(name))
    edit(meta)
    return with_text(name, json.dumps(meta))


def read(name: str, data: bytes) -> None:
    """Either it is refused, or it is the same space but for its name and batch size."""
    try:
        again = Space.from_bytes(data)
    except FileFormatError:
        return
    assert (again.hash, again.template) == (space_of(name).hash, space_of(name).template)


def put(meta: Any, path: Path, value: Any, delete: bool = False) -> None:
    for key in path[:-1]:
        meta = meta[key]
    if delete:
        del meta[path[-1]]
    else:
        meta[path[-1]] = value


@pytest.mark.parametrize("name", NAMES)
@given(place=st.integers(0, 1 << 20), value=st.sampled_from(HOSTILE), delete=st.booleans())
@examples(300)
def test_a_changed_value_is_refused(name: str, place: int, value: Any, delete: bool) -> None:
    path = paths_of(name)[place % len(paths_of(name))]
    read(name, edited(name, lambda meta: put(meta, path, value, delete)))


@pytest.mark.parametrize("name", NAMES)
@given(place=st.integers(0, 1 << 20), other=st.integers(0, 1 << 20))
@examples(150)
def test_parts_in_each_others_places_are_refused(name: str, place: int, other: int) -> None:
    every = paths_of(name)
    first, second = every[place % len(every)], every[other % len(every)]

    def edit(meta: Any) -> None:
        source = meta
        for key in second:
            source = source[key]
        put(meta, first, json.loads(json.dumps(source)))

    read(name, edited(name, edit))


@given(cut=st.integers(0, 1 << 20))
@examples(60)
def test_truncated_metadata_is_refused(cut: int) -> None:
    text = text_of("c2f")
    with pytest.raises(FileFormatError, match="damaged"):
        Space.from_bytes(with_text("c2f", text[: cut % len(text)]))


@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8), st.integers(0, 64)),
        min_size=1,
        max_size=8,
    )
)
@examples(150)
def test_mutated_bytes_are_refused(edits: list[tuple[int, bytes, int]]) -> None:
    data = bytearray(space_of("c2f").to_bytes())
    for place, new, cut in edits:
        start = place % (len(data) + 1)
        data[start : start + cut] = new
    read("c2f", bytes(data))


def test_another_graph_than_that_of_the_metadata_is_refused() -> None:
    model = space_of("c2f").to_onnx()
    model.graph.node[0].name = "another"
    with pytest.raises(FileFormatError, match="its graph is not that of its metadata"):
        Space.from_bytes(model.SerializeToString(deterministic=True))


def _many_nodes(meta: Any) -> None:
    nodes, tensors = meta["graph"]["nodes"], meta["layout"]["tensors"]
    for index in range(limits.MAX_NODES):
        nodes.append({"name": f"m.{index}", "type": "activation", "inputs": [0], "op": "Relu",
                      "function": "relu", "slots": [0]})  # fmt: skip
        tensors.append(tensors[0])


def _many_segments(meta: Any) -> None:
    part = {"width": None, "size": 1}
    meta["layout"]["tensors"][0]["dims"][1] = {"segments": [part] * (limits.MAX_SEGMENTS + 1)}


def _many_widths(meta: Any) -> None:
    meta["widths"] = [
        {"name": f"w.{i}", "max": 2, "granule": 1} for i in range(limits.MAX_WIDTHS + 1)
    ]


def _long_layout(meta: Any) -> None:
    meta["widths"][0]["layout"] = [{"first": 0, "count": 10**8, "inner": 1}] * 100


def _reads_itself(meta: Any) -> None:
    meta["graph"]["nodes"][1]["inputs"] = [1]


def _reads_the_future(meta: Any) -> None:
    meta["graph"]["nodes"][1]["inputs"] = [3]


def _no_such_width(meta: Any) -> None:
    meta["layout"]["tensors"][0]["dims"][1] = {"segments": [{"width": "none", "size": 8}]}


def _no_such_batch(meta: Any) -> None:
    meta["layout"]["tensors"][0]["batch"] = 9


def _no_outputs(meta: Any) -> None:
    meta["layout"]["outputs"] = []


def _nested(meta: Any) -> None:
    value: Any = []
    for _ in range(300):
        value = [value]
    meta["graph"]["nodes"][0]["attributes"] = value


EDITS = (
    *(_many_nodes, _many_segments, _many_widths, _long_layout, _reads_itself, _reads_the_future),
    *(_no_such_width, _no_such_batch, _no_outputs, _nested),
)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["c2f", "fused attention"])
def test_what_no_space_has_is_refused(name: str, edit: Callable[[Any], None]) -> None:
    with pytest.raises(FileFormatError):
        Space.from_bytes(edited(name, edit))
