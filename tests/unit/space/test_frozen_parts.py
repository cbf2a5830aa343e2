"""What is frozen survives in the file of a space, and changes neither its hash nor older files."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples
from tests.unit.space.test_hostile_general import HOSTILE, paths, put
from torch import Tensor, nn

from lpnet.errors import FileFormatError, WidthsError
from lpnet.space import frozen_parts
from lpnet.space.compiling import Frozen
from lpnet.space.space import Space
from lpnet.space.summary import summary

FORMATS = ("plain", "general")


class Branches(nn.Module):
    """Two convs side by side; general: with a concat and a norm over channels."""

    def __init__(self, general: bool) -> None:
        super().__init__()
        self.general = general
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 6, 1), nn.Conv2d(8, 6, 1)
        self.norm = nn.LayerNorm(12 if general else 6)
        self.head = nn.Linear(12 if general else 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        if self.general:
            x = torch.cat([self.left(x), self.right(x)], 1).mean((2, 3))
            logits: Tensor = self.head(self.norm(x))
            return logits
        x = nn.functional.adaptive_avg_pool2d(self.left(x) + self.right(x), 1)
        logits = self.head(torch.flatten(x, 1))
        return logits


@cache
def space_of(format_: str) -> Space:
    model = Branches(format_ == "general").eval()
    space = Space.from_model(model, torch.zeros(2, 3, 8, 8), frozen=["stem"])
    assert (space.template.layout is None) == (format_ == "plain")
    assert len(space.frozen) >= 2
    return space


@cache
def metadata_of(format_: str) -> dict[str, str]:
    return {prop.key: prop.value for prop in space_of(format_).to_onnx().metadata_props}


def with_text(format_: str, text: str | bytes) -> bytes:
    """The file of a space with another value of the metadata."""
    model = space_of(format_).to_onnx()
    (prop,) = (prop for prop in model.metadata_props if prop.key == frozen_parts.KEY)
    prop.value = text
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@pytest.mark.parametrize("format_", FORMATS)
def test_it_survives_its_file(format_: str) -> None:
    space = space_of(format_)
    again = Space.from_bytes(space.to_bytes())
    assert again == space
    assert (again.frozen, again.channels) == (space.frozen, space.channels)
    assert again.to_bytes() == space.to_bytes()
    assert summary(again) == summary(space)
    onnx.checker.check_model(space.to_onnx(), full_check=True)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_without_it_loads(format_: str) -> None:
    """Such as lpnet wrote before: it has the same hash, and the number of frozen channels."""
    space = space_of(format_)
    old = replace(space, frozen=(), channels=0)
    assert old == space
    assert [prop.key for prop in old.to_onnx().metadata_props] == ["lpnet"]
    again = Space.from_bytes(old.to_bytes())
    assert again == space
    assert (again.frozen, again.channels) == ((), 0)
    facts = summary(again)
    assert facts.frozen == ()
    assert facts.frozen_channels == summary(space).frozen_channels > 0


@pytest.mark.parametrize("format_", FORMATS)
def test_the_rest_of_the_file_is_the_same(format_: str) -> None:
    """An lpnet that does not know the key reads what it always read."""
    space = space_of(format_)
    model = space.to_onnx()
    (prop,) = (prop for prop in model.metadata_props if prop.key == frozen_parts.KEY)
    model.metadata_props.remove(prop)
    old = replace(space, frozen=(), channels=0)
    assert model.SerializeToString(deterministic=True) == old.to_bytes()


def test_a_space_without_frozen_channels_says_so_after_loading() -> None:
    space = replace(space_of("plain"), frozen=())
    again = Space.from_bytes(space.to_bytes())
    assert (again.frozen, again.channels) == ((), space.channels)
    assert summary(again).frozen_channels == 0


def test_a_frozen_layer_is_refused_with_its_reason_after_loading() -> None:
    space = replace(space_of("plain"), frozen=(Frozen("stem", "forward", "it is 8", 8),))
    again = Space.from_bytes(space.to_bytes())
    with pytest.raises(WidthsError, match="stem is frozen: it is 8"):
        again.prune(Branches(False), {"stem": [0]})


def test_parts_of_the_same_node_and_reason_are_put_together() -> None:
    """Layers that a pattern freezes have an entry each, which lists all of them."""
    layers = tuple(f"layers.{index}" for index in range(2000))
    part = Frozen("*", "frozen", "frozen by hand", 4, layers)
    space = replace(space_of("plain"), frozen=(part,) * 2000, channels=8000)
    data = space.to_bytes()
    assert len(data) < 64 * 1024
    again = Space.from_bytes(data)
    assert again.frozen == (replace(part, channels=8000),)
    assert again.to_bytes() == data


@pytest.mark.parametrize("format_", FORMATS)
def test_texts_of_any_length_can_be_stored(format_: str) -> None:
    frozen = (
        Frozen("n" * 600, "o" * 600, "r" * 5000, 1, ("l" * 600,)),
        Frozen("\ud800", "\x00", "\udfff\u2028<b>", 1),
    )
    space = replace(space_of(format_), frozen=frozen)
    first, second = Space.from_bytes(space.to_bytes()).frozen
    assert first.reason == "r" * 997 + "..."
    assert {len(text) for text in (first.node, first.op, *first.layers)} == {500}
    assert second == Frozen("?", "\x00", "?\u2028<b>", 1)


def _part(**fields: Any) -> dict[str, Any]:
    part = {"node": "n", "op": "Add", "reason": "r", "channels": 1, "layers": ["l"]}
    return {"channels": 9, "parts": [{**part, **fields}]}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("no JSON", "lpnet.frozen"),
        ("[" * 100_000, "lpnet.frozen"),
        ([], "lpnet.frozen"),
        ({}, "lpnet.frozen.channels"),
        ({"channels": 9}, "lpnet.frozen.parts"),
        ({"channels": -1, "parts": []}, "lpnet.frozen.channels"),
        ({"channels": 10**30, "parts": []}, "lpnet.frozen.channels"),
        ({"channels": True, "parts": []}, "lpnet.frozen.channels"),
        ({"channels": 9, "parts": [], "more": 1}, "lpnet.frozen.more"),
        (_part(node="n" * 501), "lpnet.frozen.parts.0.node"),
        (_part(op=None), "lpnet.frozen.parts.0.op"),
        (_part(reason="r" * 1001), "lpnet.frozen.parts.0.reason"),
        (_part(channels=-1), "lpnet.frozen.parts.0.channels"),
        (_part(channels="1"), "lpnet.frozen.parts.0.channels"),
        (_part(layers=["l" * 501]), "lpnet.frozen.parts.0.layers.0"),
        (_part(layers=["l"] * 5000), "lpnet.frozen.parts.0.layers"),
        (_part(more=1), "lpnet.frozen.parts.0.more"),
        (_part(channels=10), "10 of 9 channels are frozen"),
        ({"channels": 9, "parts": _part()["parts"] * 2}, "two parts have the same node"),
        ({"channels": 9, "parts": _part()["parts"] * 20_000}, "lpnet.frozen.parts"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_no_file_holds_is_refused_by_field(format_: str, value: Any, field: str) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(FileFormatError, match=f"damaged: .*{field}") as raised:
        Space.from_bytes(with_text(format_, text))
    assert len(str(raised.value)) < 1200


def read(format_: str, data: bytes) -> None:
    """Either it is refused, or it is the same space with parts that a file may hold."""
    try:
        again = Space.from_bytes(data)
    except FileFormatError:
        return
    space = space_of(format_)
    assert (again.hash, again.template) == (space.hash, space.template)
    assert sum(part.channels for part in again.frozen) <= again.channels
    assert Space.from_bytes(again.to_bytes()).frozen == again.frozen


@pytest.mark.parametrize("format_", FORMATS)
@given(place=st.integers(0, 1 << 20), value=st.sampled_from(HOSTILE), delete=st.booleans())
@examples(200)
def test_a_changed_value_is_refused_or_harmless(
    format_: str, place: int, value: Any, delete: bool
) -> None:
    meta = json.loads(metadata_of(format_)[frozen_parts.KEY])
    every = list(paths(meta))
    put(meta, every[place % len(every)], value, delete)
    read(format_, with_text(format_, json.dumps(meta)))


@pytest.mark.parametrize("format_", FORMATS)
@given(text=st.text(max_size=30), start=st.integers(0, 1 << 20), cut=st.integers(0, 64))
@examples(200)
def test_changed_text_is_refused_or_harmless(
    format_: str, text: str, start: int, cut: int
) -> None:
    value = metadata_of(format_)[frozen_parts.KEY]
    start %= len(value) + 1
    changed = (value[:start] + text + value[start + cut :]).encode("utf-8", "replace")
    read(format_, with_text(format_, changed.decode()))
