"""Subnormal weights in an ONNX file: counted, and set to zero."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from lpnet_agent.offline.subnormals import advice, subnormal_pct, zero_subnormals


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
    assert subnormal_pct(network) == pytest.approx(12.5)
    zero_subnormals(network)
    assert subnormal_pct(network) == 0
    tensors = [*network.graph.initializer] or [n.attribute[0].t for n in network.graph.node[1:]]
    weight = numpy_helper.to_array(tensors[0])
    assert weight.dtype == dtype
    assert not weight[:4].any()
    np.testing.assert_array_equal(weight[4:], filters(4, dtype)[4:])
    np.testing.assert_array_equal(numpy_helper.to_array(tensors[1]), filters(0, dtype))


def test_what_costs_no_time_is_not_counted() -> None:
    assert subnormal_pct(model(filters(0))) == 0
    assert subnormal_pct(model(filters(16, value=0.0))) == 0
    # In half precision such weights are computed with as normal numbers.
    assert subnormal_pct(model(filters(16, np.float16, 1e-7))) == 0
    one = filters(0)
    one[0, 0, 0, 0] = 1e-39
    assert subnormal_pct(model(one)) == 0
    assert subnormal_pct(model(np.zeros((0, 3), np.float32))) == 0


def test_a_small_layer_of_a_large_network_counts() -> None:
    share = subnormal_pct(model(np.ones(10_000_000, np.float32), filters(8)))
    assert 0 < share < 0.1
    assert advice(share).startswith("under 0.1% of the weights are subnormal")
    assert "--zero-subnormals" in advice(share)
