"""Open sides of a network's inputs: filled in, or asked for by name."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, shape_inference

from lpnet_agent.errors import SetupError
from lpnet_agent.offline.input_shapes import fix_inputs
from lpnet_agent.offline.network_file import NetworkOptions, network_file

FILE = Path("mine.onnx")
Sides = list[int | str | None] | None


def model(**inputs: Sides) -> onnx.ModelProto:
    """A sum of inputs, each with its sides; None for an input without a shape."""
    names = list(inputs)
    graph = helper.make_graph(
        [helper.make_node("Sum", names, ["y"])],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, inputs[name]) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("side", [0, -1, "N", "", None])
def test_an_open_first_side_is_the_batch(side: int | str | None) -> None:
    assert fix_inputs(model(x=[side, 3, 8, 8]), FILE, None, {}) == {"x": (1, 3, 8, 8)}
    assert fix_inputs(model(x=[side, 3, 8, 8]), FILE, 4, {}) == {"x": (4, 3, 8, 8)}


@pytest.mark.parametrize("side", [0, -1, "height", None])
def test_another_open_side_is_asked_for(side: int | str | None) -> None:
    network = model(x=[0, 3, side, 8])
    option = "set it with --shape x=1x3x224x8"
    with pytest.raises(SetupError, match=rf"dimension 2 .*of input 'x' is open; {option}"):
        fix_inputs(network, FILE, None, {})
    assert fix_inputs(network, FILE, None, {"x": (1, 3, 6, 8)}) == {"x": (1, 3, 6, 8)}
    dims = network.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [1, 3, 6, 8]


def test_an_input_without_a_shape_is_asked_for() -> None:
    network = model(x=None)
    with pytest.raises(
        SetupError, match="input 'x' has no shape; set it with --shape x=1x3x224x224"
    ):
        fix_inputs(network, FILE, None, {})
    assert fix_inputs(network, FILE, None, {"x": (2, 5)}) == {"x": (2, 5)}


def test_a_scalar_has_a_shape() -> None:
    assert fix_inputs(model(x=[0, 3], scale=[]), FILE, None, {}) == {"x": (1, 3), "scale": ()}
    with pytest.raises(SetupError, match="1 sizes for an input with 0 dimensions"):
        fix_inputs(model(scale=[]), FILE, None, {"scale": (3,)})


def test_sides_of_one_name_are_equal() -> None:
    network = model(ids=["n", "length"], mask=["n", "length"], bias=["length"])
    with pytest.raises(SetupError) as raised:
        fix_inputs(network, FILE, None, {})
    # One option is enough for all of them.
    assert str(raised.value).count("--shape") == 1
    shapes = fix_inputs(network, FILE, None, {"ids": (2, 16)})
    assert shapes == {"ids": (2, 16), "mask": (2, 16), "bias": (16,)}


@pytest.mark.parametrize(
    ("batch", "shapes", "message"),
    [
        (None, {"a": (2, 8), "b": (3, 8)}, "'n' is 2 by --shape a, but 3 by --shape b"),
        (4, {"a": (2, 8)}, "'n' is 2 by --shape a, but 4 by --batch"),
    ],
)
def test_sides_of_one_name_cannot_differ(
    batch: int | None, shapes: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        fix_inputs(model(a=["n", 8], b=["n", 8]), FILE, batch, shapes)


def test_a_batch_that_is_not_the_first_side_everywhere_is_filled_in() -> None:
    state = model(x=["batch", 5, 32], state=[2, "batch", 64], lengths=["batch"])
    assert fix_inputs(state, FILE, 4, {}) == {
        "x": (4, 5, 32),
        "state": (2, 4, 64),
        "lengths": (4,),
    }


def test_sides_without_a_name_need_not_be_equal() -> None:
    network = model(a=[0, "?"], b=[0, "?"])
    with pytest.raises(SetupError, match=r"'a' is open.*'b' is open"):
        fix_inputs(network, FILE, None, {})
    with pytest.raises(SetupError, match="input 'b' is open"):
        fix_inputs(network, FILE, None, {"a": (1, 4)})


def test_the_batch_of_one_shape_is_that_of_the_other_inputs() -> None:
    assert fix_inputs(model(a=[0, 0], b=[0, 4]), FILE, None, {"a": (8, 4)})["b"] == (8, 4)


def test_a_batch_needs_an_input_that_can_have_it() -> None:
    assert fix_inputs(model(x=[0, 4], anchors=[9, 4]), FILE, 2, {}) == {
        "x": (2, 4),
        "anchors": (9, 4),
    }
    with pytest.raises(SetupError, match=r"--batch 2: input 'x' .* is fixed to batch size 1"):
        fix_inputs(model(x=[1, 4]), FILE, 2, {})


def test_an_input_that_is_no_tensor_is_named() -> None:
    network = model(x=[1])
    element = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    network.graph.input.append(
        helper.make_value_info("parts", helper.make_sequence_type_proto(element))
    )
    with pytest.raises(SetupError, match=r"input 'parts' is no tensor \(sequence\)"):
        fix_inputs(network, FILE, None, {})


def test_shapes_that_the_file_states_for_outputs_do_not_contradict(tmp_path: Path) -> None:
    network = model(x=[0, 4])
    dims = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4]).type
    network.graph.output[0].type.CopyFrom(dims)
    file = tmp_path / "mine.onnx"
    file.write_bytes(network.SerializeToString())
    with network_file(file, NetworkOptions(batch=3)) as copy:
        measured = onnx.load(copy.path)
    shape_inference.infer_shapes(measured, strict_mode=True)
    sides = [dim.dim_value for dim in measured.graph.output[0].type.tensor_type.shape.dim]
    assert sides == [3, 4]
