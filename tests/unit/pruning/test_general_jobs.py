"""`lpnet prune` on a network with heads, tied halves, parts of a layer and tied weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import onnxruntime as ort
import pytest
import torch
from safetensors import safe_open
from tests.harness import comb
from torch import Tensor, nn
from typer.testing import CliRunner

from lpnet.cli import pruning
from lpnet.cli.main import app
from lpnet.predictor.predictor import Predictor
from lpnet.pruning.job.images import open_images
from lpnet.schemas.pruning import PruningResult
from lpnet.space.kept import atom_channels
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet.zoo.mobilenet_v3 import SqueezeExcite
from lpnet.zoo.vit import TransformerBlock
from lpnet.zoo.yolo import C2f, Conv


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 32, 5, 4)
        self.c2f = C2f(32, 32, shortcut=True)
        self.cv1 = nn.Conv2d(32, 48, 3, padding=1)
        self.left, self.right = nn.Conv2d(32, 16, 1), nn.Conv2d(32, 32, 1)
        self.squeeze = SqueezeExcite(48, 16)
        self.tokens = nn.Conv2d(48, 32, 2, stride=2)
        self.block = TransformerBlock(32, 4)
        self.fc1, self.fc2 = nn.Linear(32, 64), nn.Linear(64, 32)
        self.fc3, self.head = nn.Linear(32, 64), nn.Linear(64, 10)
        self.fc3.weight = self.fc1.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.c2f(self.stem(x))
        x = self.cv1(x) + torch.cat((self.left(x), self.right(x)), 1)
        x = self.block(self.tokens(self.squeeze(x)).flatten(2).transpose(1, 2)).mean(1)
        x = x + self.fc2(torch.sigmoid(self.fc1(x)))
        out: Tensor = self.head(torch.relu(self.fc3(x)))
        return out


def network() -> nn.Module:
    """The function that the command is told to call."""
    return Everything()


class Device:
    """A client whose target takes as long as the comb."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.reports: list[PruningResult] = []

    def target(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, lpnet="lpnet-1")

    def predictor(self, target: str, space: Space) -> Predictor:
        return self._predictor

    def measure(
        self, target: str, space: Space, widths: Mapping[str, int]
    ) -> tuple[SimpleNamespace]:
        ms = comb.comb_ms(OpTable.from_ops(space.ops(widths)))
        return (SimpleNamespace(disturbed=False, latency_ms=ms),)

    def report_pruning(self, report: PruningResult, space: Space) -> None:
        self.reports.append(report)


@pytest.fixture(scope="module")
def taught() -> Predictor:
    torch.manual_seed(0)
    space = Space.from_model(network(), torch.zeros(1, 3, 32, 32), name=f"{__name__}:network")
    return Predictor(comb.taught_on(space), space)


@pytest.mark.parametrize("method", ["magnitude", "wgates"])
def test_a_network_of_all_kinds_of_widths_is_pruned_to_a_budget(
    method: str, taught: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(taught)

    @contextmanager
    def connect(*_: object) -> Iterator[Device]:
        yield device

    monkeypatch.setattr(pruning, "connect", connect)
    monkeypatch.setattr(Space, "from_model", lambda *_, **__: taught.space)  # solved before
    options = {
        "target": "comb16",
        "budget": "75%",
        "model": f"{__name__}:network",
        "method": method,
        "limit": 128,
        "pretrain": 1,
        "gate": 1,
        "tune": 1,
        "out": tmp_path,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    result = CliRunner().invoke(app, ["prune", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    widths = told["chosen"]["widths"]
    space = taught.space
    assert {"cv1", "cv1#2", "block.attn.qkv", "c2f.cv1.conv"} <= set(widths)
    assert space.named(widths) == widths
    assert told["macs_after"] < told["macs_before"]
    assert told["chosen"]["measured_ms"] <= 1.1 * told["budget_ms"]
    assert [report.widths for report in device.reports if report.chosen] == [widths]
    assert "cv1#2" in (tmp_path / "widths.svg").read_text()
    with safe_open(tmp_path / "model.safetensors", "pt") as opened:
        assert json.loads(opened.metadata()["widths"]) == widths
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    assert torch.equal(state["fc1.weight"], state["fc3.weight"])
    # The small network can be made again from the widths and the weights alone.
    kept = {w.name: _first(w.name, widths[w.name], space) for w in space.widths}
    small = space.prune(network(), kept)
    small.load_state_dict(state)
    images = open_images("digits")
    inputs = images.normalised(images.test.images[:1])
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    with torch.no_grad():
        expected = small.eval()(inputs)
    torch.testing.assert_close(torch.from_numpy(output), expected, rtol=1e-3, atol=1e-4)


def _first(name: str, count: int, space: Space) -> list[int]:
    """The channels of the first atoms of a width."""
    width = next(width for width in space.widths if width.name == name)
    atoms = atom_channels(width)[: count // width.granule]
    return sorted(channel for atom in atoms for channel in atom)
