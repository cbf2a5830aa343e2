"""`lpnet-agent measure --onnx`: a network of one's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from tests.harness.in_process import invoke

from lpnet_agent.main import app

FAST = {
    "LPNET_AGENT_NETWORK_S": "0.02",
    "LPNET_AGENT_VISITS": "2",
    "LPNET_AGENT_GAP_S": "0",
    "LPNET_AGENT_CROWDED": "1",
}


def agent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    state = {"LPNET_AGENT_STATE_DIR": str(folder / "state")}
    return subprocess.run(
        [sys.executable, "-m", "lpnet_agent", "measure", *arguments],
        env=os.environ | FAST | state,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def write(file: Path, sides: list[int | str], op: str = "Relu", inputs: int = 1) -> Path:
    """A 3x3 conv of 3 to 8 channels and one op behind it, with weights of its own."""
    weight = np.random.default_rng(3).standard_normal((8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["picture", "weight"], ["made"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node(op, ["made"] * inputs, ["out"], name="behind"),
    ]
    graph = helper.make_graph(
        nodes,
        "mine",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [sides[0], 8, *sides[2:]])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file.write_bytes(model.SerializeToString())
    return file


@pytest.fixture
def open_batch(tmp_path: Path) -> Path:
    return write(tmp_path / "mine.onnx", ["n", 3, 16, 16])


def measured(folder: Path, file: Path, *more: str) -> dict[str, Any]:
    done = agent(folder, "--onnx", str(file), "--json", *more)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_it_is_timed_as_it_is(open_batch: Path, tmp_path: Path) -> None:
    before = open_batch.read_bytes()
    out = tmp_path / "mine.json"
    result = measured(tmp_path, open_batch, "--out", str(out))
    assert result == json.loads(out.read_text())
    assert result["inputs"] == {"picture": [1, 3, 16, 16]}
    assert result["sha256"] == hashlib.sha256(before).hexdigest()
    assert 0 < result["ci_low_ms"] <= result["latency_ms"] <= result["ci_high_ms"]
    assert result["target"]["runtime"] == "onnxruntime"
    assert open_batch.read_bytes() == before
    # Nothing waits to be delivered to anyone.
    assert not list((tmp_path / "state").rglob("*.onnx"))
    assert not list((tmp_path / "state" / "spool").glob("*.json*"))


def test_an_open_batch_is_what_is_asked(open_batch: Path, tmp_path: Path) -> None:
    assert measured(tmp_path, open_batch, "--batch", "4")["inputs"] == {"picture": [4, 3, 16, 16]}


def test_open_sides_are_asked_for_and_given(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.onnx", ["n", 3, "height", "width"])
    done = agent(tmp_path, "--onnx", str(file))
    assert done.returncode == 1
    assert "dimension 2 (height) of input 'picture' is open" in done.stderr
    result = measured(tmp_path, file, "--shape", "picture=2,3,8,12")
    assert result["inputs"] == {"picture": [2, 3, 8, 12]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shape", "image=1,3,8,8"), "no such input; its inputs are picture"),
        (("--shape", "picture=1,3,8"), "3 sizes for an input with 4 dimensions"),
        (("--shape", "picture=1,4,16,16"), "dimension 1 is 3 in"),
        (("--shape", "picture"), "write a name and its sizes"),
        (("--shape", "picture=1,3,0,8"), "write a name and its sizes"),
        (("--blocks", "3"), "--blocks needs --space"),
        (("--space", "space.onnx"), "give either --space or --onnx"),
        (("--runtime", "tensorflow"), "unknown runtime 'tensorflow'"),
        (("--provider", "npu"), "has no provider 'npu'"),
        (("--precision", "int4"), "no precision 'int4'"),
        (("--option", "spinning=2"), "option spinning of onnxruntime must be one of 1, 0"),
        (("--option", "spinning"), "'spinning' must have the form name=value"),
    ],
)
def test_what_is_wrong_is_named(
    open_batch: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    state = {"LPNET_AGENT_STATE_DIR": str(tmp_path / "state")}
    done = invoke(app, "measure", "--onnx", str(open_batch), *arguments, environment=FAST | state)
    assert done.exit_code == 1
    assert message in done.stderr


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(b"\x00nonsense")
    done = agent(tmp_path, "--onnx", str(file))
    assert done.returncode == 1
    assert str(file) in done.stderr
    done = agent(tmp_path, "--onnx", str(tmp_path / "gone.onnx"))
    assert done.returncode == 1
    assert "No such file" in done.stderr


def test_weights_in_another_file_are_read_from_the_folder(
    open_batch: Path, tmp_path: Path
) -> None:
    model = onnx.load(open_batch)
    file = tmp_path / "split.onnx"
    onnx.save(model, file, save_as_external_data=True, location="split.data", size_threshold=0)
    assert measured(tmp_path, file)["latency_ms"] > 0
    assert measured(tmp_path, file, "--runtime", "torch")["latency_ms"] > 0
    (tmp_path / "split.data").unlink()
    done = agent(tmp_path, "--onnx", str(file))
    assert done.returncode == 1
    assert "weight 'weight' is stored in 'split.data'" in done.stderr
    assert "external_data=False" in done.stderr


def test_a_network_as_torch_exports_it_by_default_is_timed(tmp_path: Path) -> None:
    layers = [torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.Flatten()]
    file = tmp_path / "mine.onnx"
    model = torch.nn.Sequential(*layers).eval()
    torch.onnx.export(model, (torch.randn(1, 3, 16, 16),), file, verbose=False)
    assert (tmp_path / "mine.onnx.data").exists()
    (shape,) = measured(tmp_path, file)["inputs"].values()
    assert shape == [1, 3, 16, 16]


@pytest.mark.parametrize("side", [0, -1])
def test_a_side_of_zero_or_less_is_open(tmp_path: Path, side: int) -> None:
    file = write(tmp_path / "mine.onnx", [side, 3, 16, 16])
    assert measured(tmp_path, file)["inputs"] == {"picture": [1, 3, 16, 16]}
    file = write(tmp_path / "mine.onnx", [side, 3, side, side])
    done = agent(tmp_path, "--onnx", str(file))
    assert done.returncode == 1
    assert "input 'picture' is open; set it with --shape picture=1x3x224x224" in done.stderr
    result = measured(tmp_path, file, "--shape", "picture=2x3x8x12")
    assert result["inputs"] == {"picture": [2, 3, 8, 12]}


def test_an_input_without_a_shape_is_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.onnx", [1, 3, 16, 16])
    model = onnx.load(file)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, file)
    done = agent(tmp_path, "--onnx", str(file))
    assert done.returncode == 1
    assert "input 'picture' has no shape; set it with --shape picture=1x3x224x224" in done.stderr
    result = measured(tmp_path, file, "--shape", "picture=1x3x16x16")
    assert result["inputs"] == {"picture": [1, 3, 16, 16]}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_images_in_bytes_a_mask_and_two_outputs(tmp_path: Path, runtime: str) -> None:
    weight = np.random.default_rng(3).standard_normal((8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "m"], ["masked"]),
        helper.make_node("Conv", ["masked", "weight"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "deployed",
        [
            helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 3, 16, 16]),
            helper.make_tensor_value_info("mask", TensorProto.BOOL, ["n", 1, 16, 16]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("best", TensorProto.INT64, None),
        ],
        [numpy_helper.from_array(weight, "weight")],
    )
    file = tmp_path / "mine.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, file)
    result = measured(tmp_path, file, "--batch", "2", "--runtime", runtime)
    assert result["inputs"] == {"image": [2, 3, 16, 16], "mask": [2, 1, 16, 16]}


def test_another_element_type_names_the_runtimes_that_take_it(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.onnx", [1, 3, 16, 16])
    model = onnx.load(file)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(
        0, helper.make_node("Cast", ["picture"], ["cast"], to=TensorProto.FLOAT)
    )
    model.graph.node[1].input[0] = "cast"
    onnx.save(model, file)
    done = agent(tmp_path, "--onnx", str(file), "--runtime", "litert")
    assert done.returncode == 1
    assert "its type is uint8, not float32 (onnxruntime and openvino take" in done.stderr
    assert measured(tmp_path, file, "--precision", "int8")["latency_ms"] > 0


@pytest.fixture
def decayed(tmp_path: Path) -> Path:
    """A network in which half of the filters decayed."""
    file = write(tmp_path / "decayed.onnx", [1, 3, 16, 16])
    model = onnx.load(file)
    weight = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weight[:4] = 1e-39
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "weight"))
    onnx.save(model, file)
    return file


def test_subnormal_weights_are_shown_with_their_effect_and_a_remedy(
    decayed: Path, tmp_path: Path
) -> None:
    done = agent(tmp_path, "--onnx", str(decayed))
    assert done.returncode == 0, done.stderr
    assert "50.0% of the weights are subnormal" in done.stdout
    assert "in weight (50.0% of it)" in done.stdout
    assert "times as long as with them at zero" in done.stdout
    assert "--zero-subnormals" in done.stdout
    done = agent(tmp_path, "--onnx", str(decayed), "--json")
    assert "--zero-subnormals" in done.stderr
    result = json.loads(done.stdout)
    assert result["subnormal_pct"] == 50
    subnormals = result["subnormals"]
    tensors = [{"name": "weight", "type": "float32", "count": 108, "pct": 50.0}]
    assert (subnormals["count"], subnormals["tensors"]) == (108, tensors)
    assert subnormals["zeroed"] is False
    assert subnormals["slowdown"] == pytest.approx(
        result["latency_ms"] / subnormals["zeroed_latency_ms"], rel=1e-3
    )


def test_subnormal_weights_are_measured_and_written_at_zero(decayed: Path, tmp_path: Path) -> None:
    before = decayed.read_bytes()
    out = tmp_path / "zeroed.onnx"
    result = measured(tmp_path, decayed, "--zero-subnormals", "--write-zeroed", str(out))
    assert result["subnormal_pct"] == 0
    assert result["subnormals"]["pct"] == 50
    assert result["subnormals"]["zeroed"] is True
    assert result["subnormals"]["zeroed_latency_ms"] == result["latency_ms"]
    assert result["subnormals"]["slowdown"] is None
    assert decayed.read_bytes() == before
    old, new = (onnx.load(file).graph for file in (decayed, out))
    weight = numpy_helper.to_array(new.initializer[0])
    assert not weight[:4].any()
    np.testing.assert_array_equal(weight[4:], numpy_helper.to_array(old.initializer[0])[4:])
    assert (new.input, new.node) == (old.input, old.node)
    assert measured(tmp_path, out)["subnormals"] is None
    done = agent(tmp_path, "--onnx", str(decayed), "--write-zeroed", str(out))
    assert done.returncode == 1
    assert "--write-zeroed" in done.stderr
    assert "--force overwrites it" in done.stderr


@pytest.mark.parametrize("runtime", ["torch", "openvino", "litert"])
def test_other_runtimes_time_it_too(open_batch: Path, tmp_path: Path, runtime: str) -> None:
    result = measured(tmp_path, open_batch, "--runtime", runtime)
    assert result["target"]["runtime"] == runtime
    assert result["latency_ms"] > 0


@pytest.mark.parametrize("runtime", ["torch", "litert"])
def test_an_op_that_a_runtime_does_not_know_is_named(tmp_path: Path, runtime: str) -> None:
    file = write(tmp_path / "mine.onnx", [1, 3, 8, 8], op="Shrink")
    done = agent(tmp_path, "--onnx", str(file), "--runtime", runtime)
    assert done.returncode == 1
    assert "Shrink" in done.stderr
    assert "behind" in done.stderr
    assert measured(tmp_path, file)["latency_ms"] > 0


def test_words_say_how_far_it_can_be_trusted(open_batch: Path, tmp_path: Path) -> None:
    done = agent(tmp_path, "--onnx", str(open_batch))
    assert done.returncode == 0, done.stderr
    assert " ms: " in done.stdout
    assert "picture 1x3x16x16" in done.stdout
    assert "within this session" in done.stdout
