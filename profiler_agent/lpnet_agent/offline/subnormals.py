"""Subnormal weights, on which many CPUs compute several times slower."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from lpnet_agent.offline.weight_files import iter_tensors

# Half precision is widened before it is computed with; there its subnormals are normal.
_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
# Below this share of every weight tensor, their effect cannot be measured.
_MIN_SHARE = 0.01


def subnormal_pct(model: onnx.ModelProto) -> float:
    """The share of a network's weights that are subnormal, in percent.

    It is 0 if they are too few in every weight tensor to matter.
    """
    count = total = 0
    max_share = 0.0
    for _, values in _weights(model):
        subnormal = int(np.count_nonzero(_is_subnormal(values)))
        max_share = max(max_share, subnormal / values.size)
        count, total = count + subnormal, total + values.size
    return 100 * count / total if max_share >= _MIN_SHARE else 0.0


def zero_subnormals(model: onnx.ModelProto) -> None:
    """Set every subnormal weight to zero."""
    for tensor, values in _weights(model):
        subnormal = _is_subnormal(values)
        if subnormal.any():
            tensor.CopyFrom(numpy_helper.from_array(np.where(subnormal, 0, values), tensor.name))


def advice(share_pct: float) -> str:
    """What to tell a user whose network has such weights."""
    share = f"{share_pct:.1f}%" if share_pct >= 0.1 else "under 0.1%"
    return (
        f"{share} of the weights are subnormal (below 1.2e-38): many CPUs compute with them "
        "several times slower. Set them to zero before you export the network, with "
        "`p.data[p.data.abs() < 1.2e-38] = 0` for each parameter p. To measure the network with "
        "them at zero, add --zero-subnormals"
    )


def _weights(model: onnx.ModelProto) -> Iterator[tuple[onnx.TensorProto, NDArray[np.floating]]]:
    for tensor in iter_tensors(model):
        if tensor.data_type not in _TYPES:
            continue
        try:
            values = numpy_helper.to_array(tensor)
        except ValueError:  # damaged, which the runtime reports
            continue
        if values.size:
            yield tensor, values


def _is_subnormal(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    is_subnormal: NDArray[np.bool_] = (values != 0) & (
        np.abs(values) < np.finfo(values.dtype).tiny
    )
    return is_subnormal
