"""ONNX Runtime on CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import RuntimeInfo, Session

PROVIDER = "CPUExecutionProvider"
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_QUIET = 3  # errors only

# ONNX Runtime has an exception class per status code; they share no base below Exception.
_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        kind
        for kind in vars(onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)


class OnnxRuntimeCpu:
    """Sequential execution on `threads` threads, with every graph optimisation.

    Worker threads spin while they wait for work, as by default: so does an application that
    takes the runtime as it comes.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="onnxruntime",
            version=ort.__version__,
            provider="cpu",
            precision="fp32",
            threads=self._threads,
            options={
                "inter_op_threads": 1,
                "execution_mode": "sequential",
                "graph_optimization": "all",
                "spinning": True,
            },
        )

    def load(self, model: bytes) -> Session:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.log_severity_level = _QUIET
        try:
            session = ort.InferenceSession(model, options, providers=[PROVIDER])
            return _Bound(session)
        except _ERRORS as error:
            raise RuntimeFailed(f"onnxruntime cannot load the network: {error}") from error


class _Bound:
    """A session whose input and output buffers are bound once.

    Passing arrays to every call costs 2 to 4 us more, which is a third of a small block: it would
    be a price of Python and not of the network.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._binding = session.io_binding()
        rng = np.random.default_rng(0)
        for tensor in session.get_inputs():
            drawn = rng.standard_normal(_shape(tensor)).astype(_dtype(tensor))
            value = ort.OrtValue.ortvalue_from_numpy(drawn)
            self._binding.bind_ortvalue_input(tensor.name, value)
        for tensor in session.get_outputs():
            value = ort.OrtValue.ortvalue_from_shape_and_type(
                _shape(tensor), _dtype(tensor), "cpu"
            )
            self._binding.bind_ortvalue_output(tensor.name, value)

    def run(self, n: int) -> None:
        run, binding = self._session.run_with_iobinding, self._binding
        try:
            for _ in range(n):
                run(binding)
        except _ERRORS as error:
            raise RuntimeFailed(f"onnxruntime cannot run the network: {error}") from error


def _shape(tensor: Any) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    if not all(isinstance(side, int) for side in shape):
        raise RuntimeFailed(f"tensor {tensor.name!r} has no concrete shape: {shape}")
    return shape


def _dtype(tensor: Any) -> Any:
    if tensor.type not in _DTYPES:
        raise RuntimeFailed(f"tensor {tensor.name!r} is a {tensor.type}, which nothing fills")
    return _DTYPES[tensor.type]
