"""Networks in a lower precision, by ONNX Runtime's own tools.

Latency does not depend on what the weights are, so a few random inputs are enough to calibrate.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import Tensor, read_network

_INPUTS = 4


def quantised(model: bytes) -> bytes:
    """The network with 8 bits for weights (signed, a scale per channel) and activations
    (unsigned), as QuantizeLinear and DequantizeLinear around every op that has such a kernel.

    Raises RuntimeFailed where it cannot be done.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    network = read_network(model, "onnxruntime")
    inputs = _Inputs(network.inputs)
    for node in network.nodes:
        if node.op == "BatchNormalization":
            # It would stay in float32 between ops of 8 bits, which nobody deploys.
            raise RuntimeFailed(
                f"onnxruntime cannot quantise {node}: fold it into the conv before it first"
            )
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises to prepare the network, which has no need of it
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
    except Exception as error:  # its errors have no common base
        raise RuntimeFailed(f"onnxruntime cannot quantise the network: {error}") from error
    finally:
        logging.disable(before)


def halved(model: bytes) -> bytes:
    """The network in float16, inputs and outputs too."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        converted = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=False)
    except Exception as error:  # its errors have no common base
        raise RuntimeFailed(f"onnxruntime cannot load the network: {error}") from error
    data: bytes = converted.SerializeToString()
    return data


class _Inputs:
    """Random inputs by name, one dictionary at a time; None once they are used up."""

    def __init__(self, tensors: tuple[Tensor, ...]) -> None:
        rng = np.random.default_rng(0)
        self._left = [
            {each.name: rng.standard_normal(each.shape).astype(np.float32) for each in tensors}
            for _ in range(_INPUTS)
        ]

    def get_next(self) -> dict[str, Array] | None:
        return self._left.pop() if self._left else None
