"""The precision that an ONNX file was written for, which its runtime follows."""

from __future__ import annotations

from collections import Counter
from math import prod

import onnx
from onnx import TensorProto

from lpnet.subnormals import iter_tensors

_FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.DOUBLE: "fp64",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
}
_INTEGERS: dict[int, str] = {
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.UINT16: "int16",
    TensorProto.INT4: "int4",
    TensorProto.UINT4: "int4",
}
_QUANTISED_OPS = ("DequantizeLinear", "QLinear", "ConvInteger", "MatMulInteger", "DynamicQuantize")


def network_precision(model: onnx.ModelProto) -> str | None:
    """The type of most weights: integers of a quantised network, else floats. None without any."""
    quantised = any(node.op_type.startswith(_QUANTISED_OPS) for node in model.graph.node)
    sizes: Counter[str] = Counter()
    for tensor in iter_tensors(model):
        name = (_INTEGERS if quantised else _FLOATS).get(tensor.data_type)
        if name is not None:
            sizes[name] += prod(tensor.dims)
    return sizes.most_common(1)[0][0] if sizes else None
