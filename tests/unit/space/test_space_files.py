"""The space file: loss-free, standard ONNX, and refused when it is not what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples
from tests.harness.coupling import solve
from torch import Tensor, nn

from lpnet import zoo
from lpnet.errors import FileFormatError, SpaceError
from lpnet.space.blocks import partition
from lpnet.space.graph import Attributes, Graph, Node
from lpnet.space.space import Space
from lpnet.space.template import Template


@pytest.mark.parametrize("name", zoo.PLAIN)
def test_saving_and_loading_loses_nothing(name: str, tmp_path: Path) -> None:
    space = zoo.space(name)
    path = tmp_path / "space.onnx"
    space.save(path)
    again = Space.load(path)
    assert again == space
    assert again.template == space.template
    assert again.blocks == space.blocks
    assert again.to_bytes() == space.to_bytes()
    assert path.stat().st_size < 64 * 1024
    onnx.checker.check_model(onnx.load(path), full_check=True)


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2_32", "vgg16_bn"])
def test_every_block_is_a_space_file_too(name: str) -> None:
    space = zoo.space(name)
    for block in space.blocks:
        part = space.block(block.name)
        again = Space.from_bytes(part.to_bytes())
        assert again == part
        assert again.template == part.template
        onnx.checker.check_model(part.to_onnx(), full_check=True)


KINDS = ("conv", "depthwise", "act", "norm", "pool", "add")
ACTIVATIONS: dict[str, Attributes] = {
    "relu": (),
    "silu": (),
    "hardswish": (),
    "clip": (("max", 4.0), ("min", -1.5)),
    "leaky_relu": (("alpha", 0.1),),
}


def _conv(name: str, before: int, c_out: int, **more: Any) -> Node:
    return Node(name, "conv2d", (before,), c_out, (3, 3), padding=(1, 1), module=name, **more)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any chain of the ops a space knows, with adds of a tensor to itself."""
    nodes: list[Node] = []
    channels = c = draw(st.integers(1, 4))
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=10)):
        before, name = len(nodes) - 1, f"m.{len(nodes)}"
        if kind == "conv":
            channels = draw(st.integers(1, 9))
            norms = draw(st.sampled_from([(), (f"bn.{len(nodes)}",)]))
            nodes.append(_conv(name, before, channels, norms=norms))
        elif kind == "depthwise":
            nodes.append(_conv(name, before, channels, groups=channels))
        elif kind == "act":
            function = draw(st.sampled_from(sorted(ACTIVATIONS)))
            attributes = ACTIVATIONS[function]
            nodes.append(
                Node(name, "activation", (before,), function=function, attributes=attributes)
            )
        elif kind == "norm" and nodes and not nodes[-1].weighted:
            nodes.append(Node(name, "batch_norm", (before,), module=name))
        elif kind == "pool":
            ceil: Attributes = (("ceil_mode", draw(st.integers(0, 1))),)
            nodes.append(
                Node(name, "pool", (before,), kernel=(3, 3), stride=(2, 2), padding=(1, 1),
                     mode="max", attributes=ceil)
            )  # fmt: skip
        else:
            nodes.append(Node(name, "add", (before, before)))
    return Graph(tuple(nodes), c, 20, 13)


@given(graph=graphs(), batch=st.integers(1, 64), name=st.text(max_size=20))
@examples(60)
def test_any_space_survives_its_file(graph: Graph, batch: int, name: str) -> None:
    solution = solve(graph)
    template = Template(graph, solution.widths, solution.input, solution.axes)
    space = Space(name, template, partition(template), batch)
    again = Space.from_bytes(space.to_bytes())
    assert again == space
    assert again.template == space.template
    assert again.blocks == space.blocks
    onnx.checker.check_model(space.to_onnx(), full_check=True)
    edges = [0, *(block.stop for block in space.blocks)]
    assert [block.start for block in space.blocks] == edges[:-1]
    assert edges[-1] == len(graph.nodes)
    assert len({block.name for block in space.blocks}) == len(space.blocks)


def test_weights_are_inputs_with_symbolic_channels() -> None:
    graph = zoo.space("vgg16_bn").to_onnx().graph
    dims = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in graph.input
    }
    assert dims["input"] == ["batch", 3, 224, 224]
    assert dims["features.0.weight"] == ["features.0", 3, 3, 3]
    assert dims["classifier.0.weight"] == ["classifier.0", "49*features.40"]
    assert dims["classifier.6.bias"] == [1000]
    assert not graph.initializer


def test_a_layer_may_be_called_what_the_file_calls_other_things() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.batch = nn.Conv2d(3, 4, 1)
            self.input = nn.Conv2d(4, 5, 1)
            self.out = nn.Conv2d(5, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.out(self.input(self.batch(x)))
            return out

    space = Space.from_model(Odd(), torch.zeros(2, 3, 8, 8))
    assert [width.max for width in space.widths] == [4, 5]
    assert Space.from_bytes(space.to_bytes()).template == space.template
    onnx.checker.check_model(space.to_onnx(), full_check=True)
    onnx.checker.check_model(space.concrete([2, 2]), full_check=True)


def test_a_lone_layer_is_a_space(tmp_path: Path) -> None:
    model = nn.Conv2d(3, 4, 3)
    space = Space.from_model(model, torch.zeros(1, 3, 8, 8))
    space.save(tmp_path / "space.onnx")
    again = Space.load(tmp_path / "space.onnx")
    assert again.template == space.template
    assert again.prune(model, {}).get_submodule("").weight.shape == (4, 3, 3, 3)


def test_the_hash_is_of_the_content() -> None:
    space = zoo.space("resnet20")
    renamed = Space("another", space.template, space.blocks, batch=7)
    assert renamed.hash == space.hash
    assert renamed != space
    assert space.at(batch=8).hash == space.hash
    assert space.at(batch=8).batch == 8
    assert space.at(resolution=64).hash != space.hash
    assert space.at(resolution=64).at(resolution=32) == space
    assert len({zoo.space(name).hash for name in zoo.PLAIN}) == len(zoo.PLAIN)
    assert len({space.block(block.name).hash for block in space.blocks}) == len(space.blocks)


def test_the_hash_is_the_same_in_another_process() -> None:
    code = "from lpnet import zoo; print(zoo.space('resnet20').hash)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.split() == [zoo.space("resnet20").hash]


def test_a_resolution_that_a_linear_layer_forbids_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"classifier\.0"):
        zoo.space("vgg16_bn").at(resolution=256)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "8", float("nan")])
def test_batch_and_resolution_are_whole_and_positive(wrong: Any) -> None:
    space = zoo.space("resnet20")
    with pytest.raises(SpaceError, match=r"resolution must be .*, got "):
        space.at(resolution=wrong)
    with pytest.raises(SpaceError, match=r"resolution must be .*, got "):
        space.at(resolution=(32, wrong))
    with pytest.raises(SpaceError, match=r"batch must be a positive integer"):
        space.at(batch=wrong)
    with pytest.raises(SpaceError, match=r"batch must be a positive integer"):
        space.concrete(space.dense, batch=wrong)


def test_a_resolution_has_two_sides() -> None:
    with pytest.raises(SpaceError, match=r"resolution must be .*, got \(32, 32, 3\)"):
        zoo.space("resnet20").at(resolution=(32, 32, 3))  # type: ignore[arg-type]


def test_another_resolution_is_more_pixels() -> None:
    space = zoo.space("resnet50")
    larger = space.at(resolution=(448, 224))
    assert larger.input_shape == (3, 448, 224)
    convs = 2 * (space.macs(space.dense) - 2048 * 1000)
    assert larger.macs(space.dense) == convs + 2048 * 1000
    assert larger.params(space.dense) == space.params(space.dense)


class TestDamage:
    """A file that is not a space says so, whatever it is."""

    @pytest.mark.parametrize("junk", [b"", b"no", b"\x00" * 64, b"PK\x03\x04 zip"])
    def test_junk(self, junk: bytes) -> None:
        with pytest.raises(FileFormatError, match="not a space file"):
            Space.from_bytes(junk)

    def test_a_foreign_onnx_model(self, residual: Space) -> None:
        with pytest.raises(FileFormatError, match="without lpnet's metadata"):
            Space.from_bytes(residual.concrete(residual.dense).SerializeToString())

    def test_a_later_format(self, residual: Space) -> None:
        with pytest.raises(FileFormatError, match="format 99"):
            Space.from_bytes(_edited(residual, format=99))

    @pytest.mark.parametrize(
        "changes",
        [
            {"hash": "0" * 64},
            {"widths": []},
            {"widths": [{"name": "stem"}]},
            {"dims": {}},
            {"blocks": []},
            {"blocks": [{"name": "all", "start": 0, "stop": 3}]},
            {"dims": {"stem": [["stem", 9, 1]]}},
        ],
        ids=str,
    )
    def test_metadata_that_contradicts_the_graph(
        self, residual: Space, changes: dict[str, object]
    ) -> None:
        with pytest.raises(FileFormatError, match="damaged"):
            Space.from_bytes(_edited(residual, **changes))

    @given(place=st.integers(0, 10_000), value=st.integers(0, 255))
    @examples(200)
    def test_a_changed_byte_is_noticed_or_harmless(
        self, residual: Space, place: int, value: int
    ) -> None:
        """Either the file is refused, or it says what it said (but for name and batch)."""
        damaged = bytearray(residual.to_bytes())
        damaged[place % len(damaged)] = value
        try:
            space = Space.from_bytes(bytes(damaged))
        except FileFormatError:
            return
        assert (space.hash, space.template) == (residual.hash, residual.template)


def _edited(space: Space, **changes: object) -> bytes:
    model = space.to_onnx()
    meta = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps({**meta, **changes})
    data: bytes = model.SerializeToString()
    return data


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Space.load(tmp_path / "none.onnx")


def test_a_space_does_not_change(residual: Space) -> None:
    for array in (residual.dense, residual.table.a_in, residual.table.b_out):
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(array)[0] = 1
    with pytest.raises(AttributeError):
        residual.name = "another"  # type: ignore[misc]
