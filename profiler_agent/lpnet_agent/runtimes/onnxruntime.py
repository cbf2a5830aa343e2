"""ONNX Runtime with its CPU provider, and with CUDA and TensorRT if its build has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import (
    Array,
    InferenceSession,
    Provider,
    Runtime,
    RuntimeConfig,
    RuntimeInfo,
    unsupported_precisions,
)
from lpnet_agent.runtimes.failures import Action, runtime_error
from lpnet_agent.runtimes.filling import Inputs, candidates, random_input
from lpnet_agent.runtimes.options import resolve_options

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
_CASTS = "its CPU kernels compute in float32 and 8 bits, and convert other types"
_TRT_PRECISIONS = "TensorRT converts by itself, and is only used with fp32 and fp16"
_UNSUPPORTED = {
    "cpu": {"fp16": _CASTS, "bf16": _CASTS},
    "cuda": {
        "bf16": "ONNX Runtime's tools do not convert networks to it",
        "int8": "lpnet makes 8-bit networks for CPU kernels only",
    },
    "tensorrt": {"bf16": _TRT_PRECISIONS, "int8": _TRT_PRECISIONS},
}
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
    **{
        f"tensor({name})": getattr(np, name)
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
}
_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_OPTIONS = {"graph_optimization": tuple(_LEVELS), "spinning": ("1", "0")}
_LOG_ERRORS = 3
# Python packages that bring TensorRT's library.
_TENSORRT_DISTRIBUTIONS = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_MEMORY_MESSAGES = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")

# ONNX Runtime has an exception class per status code, without a common base class.
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
    available = ort.get_available_providers()
    return tuple(
        Provider(
            name,
            _PRECISIONS[name],
            unavailable=None if ort_name in available else "this build of ONNX Runtime lacks it",
            unsupported=unsupported_precisions(_PRECISIONS[name], _UNSUPPORTED[name]),
        )
        for name, ort_name in _PROVIDERS.items()
    )


def create(config: RuntimeConfig) -> Runtime:
    return OnnxRuntime(config)


class OnnxRuntime:
    """Sequential execution with every graph optimisation, unless the options reduce them.

    Worker threads spin while they wait for work. That is ONNX Runtime's default, and so what
    applications do.
    """

    def __init__(self, config: RuntimeConfig) -> None:
        self._config = config
        self._options, self._variant = resolve_options("onnxruntime", config.options, _OPTIONS)

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="onnxruntime",
            version=ort.__version__,
            provider=self._config.provider,
            precision=self._config.precision,
            threads=self._config.threads,
            options={
                "inter_op_threads": 1,
                "execution_mode": "sequential",
                "graph_optimization": self._options["graph_optimization"],
                "spinning": self._options["spinning"] == "1",
                **_library_versions(self._config.provider),
            },
            variant=self._variant,
        )

    def load(self, model: bytes) -> InferenceSession:
        session = self._create_session(self._convert(model))
        return _BoundSession(session, self._config.provider)

    def load_file(self, model: Path) -> InferenceSession:
        if self._config.precision != "fp32":
            return self.load(model.read_bytes())
        return _BoundSession(self._create_session(str(model)), self._config.provider)

    def _convert(self, model: bytes) -> bytes:
        # TensorRT converts networks itself.
        if self._config.precision == "int8":
            from lpnet_agent.runtimes.quantise import quantise

            return quantise(model)
        if self._config.precision == "fp16" and self._config.provider == "cuda":
            from lpnet_agent.runtimes.quantise import to_float16

            return to_float16(model)
        return model

    def _create_session(self, model: bytes | str) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._config.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = _LEVELS[self._options["graph_optimization"]]
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", self._options["spinning"]
        )
        options.log_severity_level = _LOG_ERRORS
        provider = _PROVIDERS[self._config.provider]
        if self._config.provider != "cpu":
            # Otherwise an op may fall back to the CPU unnoticed, and be timed there.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            session = ort.InferenceSession(
                model, options, providers=self._providers(), enable_fallback=0
            )
        except _ERRORS as error:
            raise _error("load", error) from error
        # It keeps the model for a fallback, which is off here. On a small board that is half of a
        # network's memory.
        session._model_bytes = None
        actual = session.get_providers()[0]
        if actual != provider:
            # A provider whose libraries are missing is left out with only a warning.
            raise RuntimeFailed(
                f"onnxruntime runs the network with {actual}, not {provider}: the libraries of "
                f"{provider} cannot be loaded here"
            )
        return session

    def _providers(self) -> list[Any]:
        provider = _PROVIDERS[self._config.provider]
        if self._config.provider == "tensorrt":
            return [(provider, {"trt_fp16_enable": self._config.precision == "fp16"})]
        return [provider]


class _BoundSession:
    """A session whose input and output buffers are bound once, on the device.

    Passing arrays to every call takes 2 to 4 us more. That is a third of a small block's latency,
    and belongs to Python rather than the network.
    """

    def __init__(self, session: Any, provider: str) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._device = "cpu" if provider == "cpu" else "cuda"
        rng = np.random.default_rng(0)
        inputs = {
            tensor.name: random_input(_shape(tensor), _dtype(tensor), rng)
            for tensor in session.get_inputs()
        }
        try:
            for tensor in session.get_outputs():
                self._bind_output(tensor)
            self._bind_accepted(inputs)
        except _ERRORS as error:
            raise _error("load", error) from error

    def _bind_output(self, tensor: Any) -> None:
        if tensor.shape and tensor.type in _DTYPES and _is_concrete(tensor.shape):
            value = ort.OrtValue.ortvalue_from_shape_and_type(
                list(tensor.shape), _DTYPES[tensor.type], self._device
            )
            self._binding.bind_ortvalue_output(tensor.name, value)
        else:
            # Its size depends on the values of the inputs, so every inference allocates it.
            self._binding.bind_output(tensor.name, self._device)

    def _bind_accepted(self, inputs: Inputs) -> None:
        """Bind the first candidate that the network accepts. Only integers can be rejected, so
        other inputs are not tried."""
        errors: list[Exception] = []
        choices = list(candidates(inputs))
        for choice in choices:
            for name, array in choice.items():
                value = ort.OrtValue.ortvalue_from_numpy(array, self._device)
                self._binding.bind_ortvalue_input(name, value)
            if len(choices) == 1:
                return
            try:
                self._session.run_with_iobinding(self._binding)
            except _ERRORS as error:
                errors.append(error)
            else:
                return
        raise errors[0]

    def run(self, n: int) -> None:
        # It returns when the outputs are complete, on a GPU too.
        run, binding = self._session.run_with_iobinding, self._binding
        try:
            for _ in range(n):
                run(binding)
        except _ERRORS as error:
            raise _error("run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        dtypes = {tensor.name: _dtype(tensor) for tensor in self._session.get_inputs()}
        arrays = {name: value.astype(dtypes[name]) for name, value in inputs.items()}
        try:
            return tuple(value.astype(np.float32) for value in self._session.run(None, arrays))
        except _ERRORS as error:
            raise _error("run", error) from error


def _library_versions(provider: str) -> dict[str, str | None]:
    if provider == "cpu":
        return {}
    versions = {"cuda": getattr(ort, "cuda_version", None) or None}
    if provider == "tensorrt":
        versions["tensorrt"] = next(filter(None, map(_version, _TENSORRT_DISTRIBUTIONS)), None)
    return versions


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _error(action: Action, error: Exception) -> RuntimeFailed:
    return runtime_error("onnxruntime", action, error, _MEMORY_MESSAGES)


def _shape(tensor: Any) -> tuple[int, ...]:
    if not _is_concrete(tensor.shape):
        raise RuntimeFailed(f"tensor {tensor.name!r} has no concrete shape: {tuple(tensor.shape)}")
    return tuple(tensor.shape)


def _is_concrete(shape: Sequence[Any]) -> bool:
    return all(isinstance(dim, int) for dim in shape)


def _dtype(tensor: Any) -> Any:
    if tensor.type not in _DTYPES:
        raise RuntimeFailed(
            f"input {tensor.name!r} is a {tensor.type}, which cannot be filled; the types that "
            f"can are {', '.join(_DTYPES)}"
        )
    return _DTYPES[tensor.type]
