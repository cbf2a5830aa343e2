"""`lpnet space`: what it says of a network of the zoo, of a factory, and of files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from tests.harness.in_process import invoke
from torch import Tensor, nn
from typer.testing import Result

from lpnet.cli import show_space
from lpnet.cli.main import app
from lpnet.cli.opening import InputShape, open_space
from lpnet.errors import LpnetError, SpaceError
from lpnet.space import diagram, summary
from lpnet.space.space import Space

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).parents[3]
MODULE = '''
import torch
from torch import nn


class Net(nn.Module):
    """Concat and squeeze-excite."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 6, 1), nn.Conv2d(8, 10, 1)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.cat([self.left(x), self.right(x)], 1)
        scale = self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return self.head((x * torch.sigmoid(scale)).mean((2, 3)))


class Sum(nn.Module):
    def forward(self, tokens, image):
        return tokens.float().sum() + image.sum()


def no_model():
    return 3
'''


def lpnet(folder: Path, *arguments: str) -> Result:
    with chdir(folder):
        return invoke(app, *arguments, environment={})


def python_of(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    (folder / "mine.py").write_text(MODULE)
    return folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, Any]:
    """What the command prints as a process: JSON, and nothing of what torch says meanwhile."""
    command = "from lpnet.cli.main import app; app()"
    options = ("--json", "--save", "mine.onnx", "--picture", "mine.svg")
    done = subprocess.run(
        [sys.executable, "-c", command, "space", "mine:Net", "--shape", "2x3x8x8", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_a_network_of_the_zoo_knows_its_side(folder: Path) -> None:
    done = lpnet(folder, "space", "resnet20", "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["input_shapes"] == [[1, 3, 32, 32]]
    assert facts["widths"][0] == {
        "name": "conv1",
        "max": 16,
        "granule": 1,
        "layers": ["conv1", "layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2"],
    }
    assert len(facts["hash"]) == 64


def test_a_network_of_ones_own(facts: dict[str, Any]) -> None:
    assert facts["name"] == "Net"
    assert facts["input_shapes"] == [[2, 3, 8, 8]]
    # The convs side by side are widths of their own, each tied to its part of the excitation.
    assert {width["name"]: width["max"] for width in facts["widths"]} == {
        "stem": 8,
        "left": 6,
        "right": 10,
        "squeeze": 4,
    }
    tied = {width["name"]: width["layers"] for width in facts["widths"]}
    assert tied["left"] == ["left", "excite"]
    assert tied["right"] == ["right", "excite"]
    assert facts["frozen_channels"] == 5
    assert facts["channels"] == 8 + 6 + 10 + 4 + 16 + 5
    assert sum(part["channels"] for part in facts["frozen"]) == 5
    assert all(part["node"] and part["op"] and part["reason"] for part in facts["frozen"])


def test_the_picture_shows_blocks_widths_and_frozen_layers(
    folder: Path, facts: dict[str, Any]
) -> None:
    root = ElementTree.parse(folder / "mine.svg").getroot()
    classes = [element.get("class") for element in root.iter(f"{SVG}rect")]
    assert classes.count("b") == len(facts["blocks"])
    assert classes.count("f") == 1
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"stem", "left", "right", "squeeze", "head", "10"} <= set(texts)


def test_the_saved_file_says_the_same(folder: Path, facts: dict[str, Any]) -> None:
    done = lpnet(folder, "space", "mine.onnx", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == facts
    assert facts["frozen"]


def test_a_person_reads_a_table(folder: Path, facts: dict[str, Any]) -> None:
    done = lpnet(folder, "space", "mine.onnx")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"Net {facts['hash'][:12]}, input 2x3x8x8"
    assert "4 widths" in lines[1]
    assert any(line.split() == ["left", "6", "1", "left,", "excite"] for line in lines)
    assert "5 of 49" in done.stdout
    assert "an output of the network" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("space", "mine:Net"), "Pass --shape"),
        (("profile", "t", "mine:Net"), "Pass --shape"),
        (("space", "mine:no_model", "--shape", "1x3"), "returned int"),
        (("space", "mine.py"), "neither a space file nor an ONNX file"),
        (("space", "mine.onnx", "--frozen", "stem"), "is a space file"),
    ],
)
def test_what_is_missing_is_one_line(
    folder: Path, facts: dict[str, Any], arguments: tuple[str, ...], reason: str
) -> None:
    assert facts
    done = lpnet(folder, *arguments)
    assert done.exit_code == 1
    assert reason in done.stderr


def write_onnx(file: Path, side: int | str) -> None:
    weight = numpy_helper.from_array(torch.rand(4, 3, 1, 1).numpy(), "conv.weight")
    last = numpy_helper.from_array(torch.rand(2, 4, 1, 1).numpy(), "head.weight")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "conv.weight"], ["y"], "conv"),
            helper.make_node("Conv", ["y", "head.weight"], ["z"], "head"),
        ],
        "graph",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["n", 2, side, side])],
        [weight, last],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), file)


def test_an_onnx_file_with_an_open_side_needs_a_shape(tmp_path: Path) -> None:
    write_onnx(tmp_path / "fixed.onnx", 8)
    write_onnx(tmp_path / "open.onnx", "side")
    assert summary.input_shapes(open_space(str(tmp_path / "fixed.onnx"))) == [[1, 3, 8, 8]]
    with pytest.raises(SpaceError, match="x"):
        open_space(str(tmp_path / "open.onnx"))
    for shape in ("1x3x6x6", "x=1x3x6x6"):
        space = open_space(str(tmp_path / "open.onnx"), shapes=[shape])
        assert summary.input_shapes(space) == [[1, 3, 6, 6]]
        assert [width.max for width in space.widths] == [4]
    with pytest.raises(LpnetError, match="has the inputs x"):
        open_space(str(tmp_path / "open.onnx"), shapes=["y=1x3x6x6"])
    with pytest.raises(LpnetError, match="leave out int64"):
        open_space(str(tmp_path / "open.onnx"), shapes=["1x3x6x6:int64"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1x3x224x224", InputShape(None, (1, 3, 224, 224), None)),
        ("1,3,224,224", InputShape(None, (1, 3, 224, 224), None)),
        ("a=b=2x7", InputShape("a=b", (2, 7), None)),
        ("ids=1x128:int64", InputShape("ids", (1, 128), "int64")),
    ],
)
def test_shapes(text: str, expected: InputShape) -> None:
    assert InputShape.parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1x", "1x0", "1x3:string", "1x-1", "n=", "1 x 3"])
def test_wrong_shapes_are_named(text: str) -> None:
    with pytest.raises(LpnetError, match=f"--shape {text}"):
        InputShape.parse(text)


def test_inputs_are_named_all_or_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(LpnetError, match="all inputs or none"):
        open_space("mine:Sum", shapes=["tokens=1x4:int64", "1x3"])


class Repeated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def test_many_tied_layers_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    first = nn.Conv2d(3, 3, 1)
    space = Space.from_model(
        nn.Sequential(first, Repeated(), nn.Conv2d(3, 2, 1)), torch.zeros(1, 3, 4, 4), "[net]"
    )
    assert [len(names) for names in summary.tied_layers(space).values()] == [7]
    show_space.print_space(space)
    output = capsys.readouterr().out
    assert "and 4 more" in output
    assert output.startswith("[net]")
    assert "an output of the network" in output


def test_a_long_network_is_drawn_in_columns() -> None:
    convs = [nn.Conv2d(3, 3, 1) for _ in range(120)]
    space = Space.from_model(nn.Sequential(*convs), torch.zeros(1, 3, 4, 4), "<long>")
    root = ElementTree.fromstring(diagram.svg(space))
    boxes = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "b"]
    assert len(boxes) == len(space.blocks)
    assert len({rect.get("x") for rect in boxes}) > 1
    for rect in boxes:
        assert int(rect.get("x", "0")) + int(rect.get("width", "0")) < int(root.get("width", "0"))
        assert int(rect.get("y", "0")) + int(rect.get("height", "0")) < int(root.get("height", ""))


def test_the_examples_of_the_docs_run(folder: Path) -> None:
    page, readme = (ROOT / name for name in ("docs/start/own-network.md", "README.md"))
    module, example = python_of(page)
    (folder / "own.py").write_text(module)
    (own,) = (block for block in python_of(readme) if "class Net" in block)
    code = f"{own}\nimport torch\n{example.replace('from mine', 'from own')}"
    code += "\nassert small(torch.rand(2, 3, 64, 64)).shape == (2, 10)"
    script = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert script.returncode == 0, script.stderr

    done = lpnet(folder, "space", "own:network", "--shape", "1x3x64x64")
    assert done.exit_code == 0, done.stderr
    for line in done.stdout.splitlines():
        assert line.rstrip() in page.read_text().splitlines()


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (999, "999"), (1_000, "1 k"), (56_518_000, "56.5 M"), (4_110_000_000, "4.11 G")],
)
def test_numbers_for_people(number: int, text: str) -> None:
    assert show_space.count(number) == text
