"""Subnormal weights in an ONNX file: counted, and set to zero."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from lpnet.subnormals import count_subnormals, format_share, zero_subnormals


def filters(
    decayed: int, dtype: DTypeLike = np.float32, value: float = 1e-39
) -> NDArray[np.generic]:
    weight = np.random.default_rng(0).standard_normal((16, 3, 3, 3)).astype(dtype)
    weight[:decayed] = value
    return weight


def model(*weights: NDArray[np.generic], constant: bool = False) -> onnx.ModelProto:
    """Weights as initializers, or as Constant nodes; nothing else is looked at."""
    tensors = [numpy_helper.from_array(array, f"w{i}") for i, array in enumerate(weights)]
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    if constant:
        nodes += [helper.make_node("Constant", [], [t.name], value=t) for t in tensors]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [] if constant else tensors,
    )
    return helper.make_model(graph)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("dtype", "value"), [(np.float32, -1e-39), (np.float64, 1e-310)])
def test_decayed_filters_are_counted_and_become_zero(
    constant: bool, dtype: DTypeLike, value: float
) -> None:
    network = model(filters(4, dtype, value), filters(0, dtype), constant=constant)
    assert count_subnormals(network).pct == pytest.approx(12.5)
    zero_subnormals(network)
    assert count_subnormals(network).count == 0
    tensors = [*network.graph.initializer] or [n.attribute[0].t for n in network.graph.node[1:]]
    weight = numpy_helper.to_array(tensors[0])
    assert weight.dtype == dtype
    assert not weight[:4].any()
    np.testing.assert_array_equal(weight[4:], filters(4, dtype)[4:])
    np.testing.assert_array_equal(numpy_helper.to_array(tensors[1]), filters(0, dtype))


def test_bfloat16_is_as_narrow_as_float32() -> None:
    values = np.array([1e-39, 1e-37, 0.0, -1e-39], np.float32)
    tensor = helper.make_tensor("w0", TensorProto.BFLOAT16, [4], values)
    network = model()
    network.graph.initializer.append(tensor)
    assert count_subnormals(network).count == 2
    zero_subnormals(network)
    assert count_subnormals(network).count == 0
    kept = numpy_helper.to_array(network.graph.initializer[0]).astype(np.float32)
    np.testing.assert_allclose(kept, [0, 1e-37, 0, 0], rtol=0.01)


def test_zeros_and_normal_weights_are_not_counted() -> None:
    for weight in (filters(0), filters(16, value=0.0), np.zeros((0, 3), np.float32)):
        subnormals = count_subnormals(model(weight))
        assert (subnormals.count, subnormals.tensors, subnormals.pct) == (0, (), 0.0)


def test_half_precision_is_named_but_neither_counted_nor_changed() -> None:
    """It is computed with in a wider format, in which these weights are normal."""
    network = model(filters(4, np.float16, 1e-7), filters(0))
    subnormals = count_subnormals(network)
    assert subnormals.count == 0
    (tensor,) = subnormals.tensors
    assert (tensor.name, tensor.type, tensor.pct) == ("w0", "float16", 25.0)
    before = network.SerializeToString()
    zero_subnormals(network)
    assert network.SerializeToString() == before


def test_a_single_weight_of_a_large_network_counts() -> None:
    """Few of them are enough: 0.1% spread over a layer make it several times slower."""
    weight = filters(0)
    weight[0, 0, 0, 0] = 1e-39
    subnormals = count_subnormals(model(np.ones(10_000_000, np.float32), weight, filters(8)))
    assert [(t.name, t.count) for t in subnormals.tensors] == [("w2", 8 * 27), ("w1", 1)]
    facts = subnormals.facts()
    assert 0 < facts["pct"] < 0.1
    assert format_share(facts) == (
        "under 0.1% of the weights are subnormal (below 1.2e-38), in w2 (50.0% of it), "
        "w1 (0.2% of it)"
    )


def test_only_the_tensors_with_the_most_are_named() -> None:
    facts = count_subnormals(model(*(filters(n) for n in (1, 4, 2, 3, 5)))).facts()
    assert format_share(facts).endswith(
        "in w4 (31.2% of it), w1 (25.0% of it), w3 (18.8% of it) and 2 more"
    )
