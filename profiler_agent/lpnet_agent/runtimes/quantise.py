"""Conversion of networks to a lower precision with ONNX Runtime's tools.

Latency does not depend on the values of weights, so a few random inputs are enough to calibrate.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.filling import random_input
from lpnet_agent.runtimes.graph import OnnxTensor, read_network

_CALIBRATION_INPUTS = 4


def quantise(model: bytes) -> bytes:
    """The network with signed 8-bit weights, scaled per channel, and unsigned 8-bit activations.
    QuantizeLinear and DequantizeLinear surround every op that has an 8-bit kernel.

    Raises RuntimeFailed if that is not possible.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    network = read_network(model, "onnxruntime", types=None)
    inputs = _RandomInputs(network.inputs)
    for node in network.nodes:
        if node.op == "BatchNormalization":
            # It would stay in float32 between 8-bit ops, which nobody deploys.
            raise RuntimeFailed(
                f"onnxruntime cannot quantise {node}: fold it into the preceding conv"
            )
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it suggests a preparation that this network does not need
    try:
        with tempfile.TemporaryDirectory(prefix="lpnet-int8-") as folder:
            file = Path(folder) / "int8.onnx"
            quantize_static(
                onnx.load_from_string(model),
                file,
                inputs,
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
            )
            return file.read_bytes()
    except Exception as error:  # its errors have no common base class
        raise RuntimeFailed(f"onnxruntime cannot quantise the network: {error}") from error
    finally:
        logging.disable(before)


def to_float16(model: bytes) -> bytes:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        converted = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=False)
    except Exception as error:  # its errors have no common base class
        raise RuntimeFailed(f"onnxruntime cannot load the network: {error}") from error
    data: bytes = converted.SerializeToString()
    return data


class _RandomInputs:
    """Random inputs by name, one dictionary per call; None after the last."""

    def __init__(self, tensors: tuple[OnnxTensor, ...]) -> None:
        rng = np.random.default_rng(0)
        self._remaining = [
            {tensor.name: random_input(tensor.shape, tensor.dtype, rng) for tensor in tensors}
            for _ in range(_CALIBRATION_INPUTS)
        ]

    def get_next(self) -> dict[str, Array] | None:
        return self._remaining.pop() if self._remaining else None
