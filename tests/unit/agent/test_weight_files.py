"""Weights in other files than the network: read from its folder, or named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lpnet.errors import FileFormatError
from lpnet.subnormals import iter_tensors
from lpnet_agent.offline.weight_files import load_weight_files

WEIGHT = np.arange(12, dtype=np.float32).reshape(4, 3)
BIAS = np.arange(3, dtype=np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A product whose weight lies in a subfolder; its bias is a Constant in a branch of an If."""
    constant = helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(BIAS, "b"))
    branch = helper.make_graph(
        [constant], "g", [], [helper.make_tensor_value_info("bias", TensorProto.FLOAT, [3])]
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node("If", ["flag"], ["chosen"], then_branch=branch, else_branch=branch),
            helper.make_node("Add", ["product", "chosen"], ["y"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path / "mine.onnx"
    (tmp_path / "weights").mkdir()
    onnx.save(
        model,
        path,
        save_as_external_data=True,
        location="weights/all.bin",
        size_threshold=0,
        convert_attribute=True,
    )
    return path


def graph_of(file: Path) -> onnx.ModelProto:
    return onnx.load(file, load_external_data=False)


def set_location(model: onnx.ModelProto, location: str) -> None:
    for tensor in iter_tensors(model):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location


def test_weights_of_a_subfolder_are_read(file: Path) -> None:
    model = graph_of(file)
    load_weight_files(model, file)
    arrays = [numpy_helper.to_array(tensor) for tensor in iter_tensors(model)]
    assert len(arrays) == 3
    assert sum(np.array_equal(array, BIAS) for array in arrays) == 2
    assert sum(np.array_equal(array, WEIGHT) for array in arrays) == 1
    # Nothing refers to the file any more.
    (file.parent / "weights" / "all.bin").unlink()
    load_weight_files(model, file)
    onnx.checker.check_model(model)


def test_a_location_of_windows_is_read(file: Path) -> None:
    model = graph_of(file)
    set_location(model, "weights\\all.bin")
    load_weight_files(model, file)


def test_a_link_to_the_weights_is_followed(file: Path, tmp_path: Path) -> None:
    data = file.parent / "weights" / "all.bin"
    data.rename(tmp_path / "blob")
    data.symlink_to(tmp_path / "blob")
    load_weight_files(graph_of(file), file)


def test_a_missing_file_is_named_with_the_weight_and_a_remedy(file: Path) -> None:
    (file.parent / "weights" / "all.bin").unlink()
    with pytest.raises(FileFormatError, match=r"weight '\w+' is stored in 'weights/all.bin'") as e:
        load_weight_files(graph_of(file), file)
    assert str(file.parent / "weights" / "all.bin") in str(e.value)
    assert "external_data=False" in str(e.value)


def test_a_file_that_is_too_short_is_named(file: Path) -> None:
    (file.parent / "weights" / "all.bin").write_bytes(b"1234")
    with pytest.raises(FileFormatError, match=r"too short: 4 bytes"):
        load_weight_files(graph_of(file), file)


@pytest.mark.parametrize(
    "location", ["../all.bin", "weights/../../all.bin", "/etc/passwd", "C:\\all.bin", ""]
)
def test_a_file_outside_of_the_folder_is_refused(file: Path, location: str) -> None:
    model = graph_of(file)
    set_location(model, location)
    with pytest.raises(FileFormatError, match="not a file in its folder or below"):
        load_weight_files(model, file)


@pytest.mark.parametrize(("key", "value"), [("offset", "-4"), ("length", "x"), ("offset", "1e9")])
def test_a_position_that_does_not_exist_is_refused(file: Path, key: str, value: str) -> None:
    model = graph_of(file)
    tensor = next(iter_tensors(model))
    entries = {entry.key: entry.value for entry in tensor.external_data} | {key: value}
    del tensor.external_data[:]
    for name, text in entries.items():
        tensor.external_data.add(key=name, value=text)
    with pytest.raises(FileFormatError, match=r"invalid position|too short"):
        load_weight_files(model, file)


def test_more_than_a_file_can_hold_is_refused(file: Path) -> None:
    data = file.parent / "weights" / "all.bin"
    with data.open("r+b") as stream:
        stream.truncate(3 << 30)  # sparse
    model = graph_of(file)
    for tensor in iter_tensors(model):
        for entry in tensor.external_data:
            if entry.key == "length":
                entry.value = str(1 << 30)
            if entry.key == "offset":
                entry.value = "0"
    with pytest.raises(FileFormatError, match=r"takes 3\.0 GiB .* at most 2 GiB can be measured"):
        load_weight_files(model, file)
