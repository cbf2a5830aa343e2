"""ONNX Runtime: its CPU provider, and CUDA and TensorRT where its build has them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.runtimes.base import (
    Array,
    InferenceSession,
    Provider,
    Runtime,
    RuntimeConfig,
    RuntimeInfo,
    without,
)
from lpnet_agent.runtimes.options import chosen

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_PRECISIONS = {
    "cpu": ("fp32", "int8"),
    "cuda": ("fp32", "fp16"),
    "tensorrt": ("fp32", "fp16"),
}
_CASTS = "its kernels for CPUs compute in float32 and 8 bits, and cast others to and fro"
_TRT_ALONE = "TensorRT converts by itself, and is asked for fp32 and fp16 alone"
_WITHOUT = {
    "cpu": {"fp16": _CASTS, "bf16": _CASTS},
    "cuda": {
        "bf16": "ONNX Runtime's tools convert networks to fp16 alone",
        "int8": "the 8-bit networks that lpnet makes are for kernels of CPUs",
    },
    "tensorrt": {"bf16": _TRT_ALONE, "int8": _TRT_ALONE},
}
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_OPTIONS = {"graph_optimization": tuple(_LEVELS), "spinning": ("1", "0")}
_QUIET = 3  # errors only
# Who brings TensorRT's library, where a Python package does.
_TENSORRT = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_NO_ROOM = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")

# ONNX Runtime has an exception class per status code; they share no base below Exception.
_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    MemoryError,
    *(
        kind
        for kind in vars(onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)


def providers() -> tuple[Provider, ...]:
    """See base."""
    there = ort.get_available_providers()
    return tuple(
        Provider(
            name,
            _PRECISIONS[name],
            reason=None if provider in there else "this build of ONNX Runtime is without it",
            without=without(_PRECISIONS[name], _WITHOUT[name]),
        )
        for name, provider in _PROVIDERS.items()
    )


def make(choice: RuntimeConfig) -> Runtime:
    """See base."""
    return OnnxRuntime(choice)


class OnnxRuntime:
    """Sequential execution, with every graph optimisation unless the options say less.

    Worker threads spin while they wait for work, as by default: so does an application that
    takes the runtime as it comes.
    """

    def __init__(self, choice: RuntimeConfig) -> None:
        """Raises BadSetup for an option or value that there is not."""
        self._choice = choice
        self._options, self._variant = chosen("onnxruntime", choice.options, _OPTIONS)

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="onnxruntime",
            version=ort.__version__,
            provider=self._choice.provider,
            precision=self._choice.precision,
            threads=self._choice.threads,
            options={
                "inter_op_threads": 1,
                "execution_mode": "sequential",
                "graph_optimization": self._options["graph_optimization"],
                "spinning": self._options["spinning"] == "1",
                **_libraries(self._choice.provider),
            },
            variant=self._variant,
        )

    def load(self, model: bytes) -> InferenceSession:
        session = self._session(self._converted(model))
        return _Bound(session, self._choice.provider)

    def load_file(self, model: Path) -> InferenceSession:
        """See base.ReadsFiles."""
        if self._choice.precision != "fp32":
            return self.load(model.read_bytes())
        return _Bound(self._session(str(model)), self._choice.provider)

    def _converted(self, model: bytes) -> bytes:
        """The network in the precision of the target; TensorRT converts by itself."""
        if self._choice.precision == "int8":
            from lpnet_agent.runtimes.quantise import quantised

            return quantised(model)
        if self._choice.precision == "fp16" and self._choice.provider == "cuda":
            from lpnet_agent.runtimes.quantise import halved

            return halved(model)
        return model

    def _session(self, model: bytes | str) -> Any:
        """Of a network, or of the file that holds it."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._choice.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = _LEVELS[self._options["graph_optimization"]]
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", self._options["spinning"]
        )
        options.log_severity_level = _QUIET
        wanted = _PROVIDERS[self._choice.provider]
        if self._choice.provider != "cpu":
            # An op that falls back to the CPU would be timed there, unseen.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            session = ort.InferenceSession(
                model, options, providers=self._providers(), enable_fallback=0
            )
        except _ERRORS as error:
            raise _failed("load", error) from error
        # It keeps the model to load it once more for a fallback, which is off here: on a small
        # board that is half of what a network takes.
        session._model_bytes = None
        if session.get_providers()[0] != wanted:
            # A provider whose libraries are missing is left out with a warning.
            raise RuntimeFailed(
                f"onnxruntime runs the network with {session.get_providers()[0]}, not {wanted}: "
                "its libraries cannot be loaded here"
            )
        return session

    def _providers(self) -> list[Any]:
        """The chosen one, with what its precision takes."""
        provider = _PROVIDERS[self._choice.provider]
        if self._choice.provider == "tensorrt":
            return [(provider, {"trt_fp16_enable": self._choice.precision == "fp16"})]
        return [provider]


class _Bound:
    """A session whose input and output buffers are bound once, on the device.

    Passing arrays to every call costs 2 to 4 us more, which is a third of a small block: it would
    be a price of Python and not of the network.
    """

    def __init__(self, session: Any, provider: str) -> None:
        self._session = session
        self._binding = session.io_binding()
        device = "cpu" if provider == "cpu" else "cuda"
        rng = np.random.default_rng(0)
        try:
            for tensor in session.get_inputs():
                drawn = rng.standard_normal(_shape(tensor)).astype(_dtype(tensor))
                value = ort.OrtValue.ortvalue_from_numpy(drawn, device)
                self._binding.bind_ortvalue_input(tensor.name, value)
            for tensor in session.get_outputs():
                value = ort.OrtValue.ortvalue_from_shape_and_type(
                    _shape(tensor), _dtype(tensor), device
                )
                self._binding.bind_ortvalue_output(tensor.name, value)
        except _ERRORS as error:
            raise _failed("load", error) from error

    def run(self, n: int) -> None:
        # Returns once the outputs are there, on a GPU too.
        run, binding = self._session.run_with_iobinding, self._binding
        try:
            for _ in range(n):
                run(binding)
        except _ERRORS as error:
            raise _failed("run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        kinds = {tensor.name: _dtype(tensor) for tensor in self._session.get_inputs()}
        given = {name: value.astype(kinds[name]) for name, value in inputs.items()}
        try:
            return tuple(value.astype(np.float32) for value in self._session.run(None, given))
        except _ERRORS as error:
            raise _failed("run", error) from error


def _libraries(provider: str) -> dict[str, str | None]:
    """Versions of what a GPU's provider is built on; null where nobody says it."""
    if provider == "cpu":
        return {}
    found = {"cuda": getattr(ort, "cuda_version", None) or None}
    if provider == "tensorrt":
        found["tensorrt"] = next(filter(None, map(_version, _TENSORRT)), None)
    return found


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _failed(deed: str, error: Exception) -> RuntimeFailed:
    words = f"onnxruntime cannot {deed} the network: {error}"
    tight = isinstance(error, MemoryError) or any(word in str(error).lower() for word in _NO_ROOM)
    return OutOfMemory(words) if tight else RuntimeFailed(words)


def _shape(tensor: Any) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    if not all(isinstance(side, int) for side in shape):
        raise RuntimeFailed(f"tensor {tensor.name!r} has no concrete shape: {shape}")
    return shape


def _dtype(tensor: Any) -> Any:
    if tensor.type not in _DTYPES:
        raise RuntimeFailed(f"tensor {tensor.name!r} is a {tensor.type}, which nothing fills")
    return _DTYPES[tensor.type]
