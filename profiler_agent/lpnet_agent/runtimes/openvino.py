"""OpenVINO on CPUs, which reads ONNX."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from openvino import properties
from openvino.properties import hint

from lpnet.installation import install_command
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
from lpnet_agent.runtimes.filling import candidates, random_input
from lpnet_agent.runtimes.options import OptionValues, resolve_options

_DEVICE = "CPU"
_PRECISIONS = {"fp32": ov.Type.f32, "fp16": ov.Type.f16, "bf16": ov.Type.bf16}
# Their names among the capabilities of a device.
_CAPABILITIES = {"fp32": "FP32", "fp16": "FP16", "bf16": "BF16", "int8": "INT8"}
# Networks are quantised with ONNX Runtime's tools.
_CAN_QUANTISE = importlib.util.find_spec("onnxruntime") is not None
_UNSUPPORTED = "OpenVINO does not compute in it on this CPU"
# NumPy's types by OpenVINO's names.
_DTYPES = {
    "f32": np.float32,
    "f16": np.float16,
    "f64": np.float64,
    "boolean": np.bool_,
    **{f"i{bits}": getattr(np, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"u{bits}": getattr(np, f"uint{bits}") for bits in (8, 16, 32, 64)},
}
_OPTIONS: OptionValues = {}
_MEMORY_MESSAGES = ("bad_alloc", "could not allocate", "failed to allocate", "out of memory")


def providers() -> tuple[Provider, ...]:
    core = ov.Core()
    if _DEVICE not in core.available_devices:
        return (Provider("cpu", unavailable="this build of OpenVINO has no plugin for the CPU"),)
    capabilities = core.get_property(_DEVICE, properties.device.capabilities)
    precisions = tuple(
        name
        for name, capability in _CAPABILITIES.items()
        if capability in capabilities and (name != "int8" or _CAN_QUANTISE)
    )
    device = core.get_property(_DEVICE, properties.device.full_name).strip()
    reasons = dict.fromkeys(_CAPABILITIES, _UNSUPPORTED)
    if _CAPABILITIES["int8"] in capabilities:
        reasons["int8"] = f"it needs onnxruntime to quantise: {install_command('agent')}"
    unsupported = unsupported_precisions(precisions, reasons)
    return (Provider("cpu", precisions, device or None, unsupported=unsupported),)


def create(config: RuntimeConfig) -> Runtime:
    return OpenVino(config)


class OpenVino:
    """One stream with the target's threads, as `benchmark_app -hint latency` sets it. Threads stay
    on the cores that this process is pinned to."""

    def __init__(self, config: RuntimeConfig) -> None:
        self._config = config
        _, self._variant = resolve_options("openvino", config.options, _OPTIONS)
        self._core = ov.Core()

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="openvino",
            version=ov.get_version().split("-")[0],
            provider="cpu",
            precision=self._config.precision,
            threads=self._config.threads,
            options={"performance_hint": "latency", "streams": 1, "cpu_pinning": False},
            variant=self._variant,
        )

    def load(self, model: bytes) -> InferenceSession:
        config = {
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            # Ops of an int8 network that are not quantised compute in float32.
            hint.inference_precision: _PRECISIONS.get(self._config.precision, ov.Type.f32),
            hint.enable_cpu_pinning: False,
            properties.num_streams: 1,
            properties.inference_num_threads: self._config.threads,
            # The cores are already selected; otherwise it would leave out presumed siblings.
            hint.enable_hyper_threading: True,
        }
        try:
            if self._config.precision == "int8":
                from lpnet_agent.runtimes.quantise import quantise

                model = quantise(model)
            network = self._core.read_model(model)
            for port in network.inputs:
                if port.partial_shape.is_dynamic:
                    raise RuntimeFailed(f"tensor {_name(port)!r} has no concrete shape")
            compiled = self._core.compile_model(network, _DEVICE, config)
            self._require(compiled, properties.inference_num_threads, self._config.threads)
            self._require(compiled, hint.inference_precision, config[hint.inference_precision])
            return _Session(compiled)
        except (RuntimeError, MemoryError) as error:
            raise _error("load", error) from error

    def _require(self, compiled: Any, name: Any, requested: object) -> None:
        """Raises RuntimeFailed if OpenVINO treated a requested setting as a hint and did not apply
        it."""
        actual = compiled.get_property(name)
        if actual != requested:
            raise RuntimeFailed(f"openvino runs with {name} of {actual}, not {requested}")


class _Session:
    """A compiled network with its input in place."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._inputs = {_name(port): port for port in compiled.inputs}
        self._outputs = list(compiled.outputs)
        rng = np.random.default_rng(0)
        inputs = {
            name: random_input(tuple(port.shape), _dtype(port), rng)
            for name, port in self._inputs.items()
        }
        errors: list[Exception] = []
        for choice in candidates(inputs):
            for name, array in choice.items():
                self._request.set_tensor(self._inputs[name], ov.Tensor(array))
            try:
                self._request.infer()
            except RuntimeError as error:
                errors.append(error)
            else:
                return
        raise errors[0]

    def run(self, n: int) -> None:
        infer = self._request.infer
        try:
            for _ in range(n):
                infer()
        except (RuntimeError, MemoryError) as error:
            raise _error("run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        timed_inputs = {
            name: self._request.get_tensor(port) for name, port in self._inputs.items()
        }
        try:
            for name, value in inputs.items():
                port = self._port(name)
                array = np.ascontiguousarray(value, dtype=_dtype(port))
                self._request.set_tensor(port, ov.Tensor(array))
            self._request.infer()
            outputs = [self._request.get_tensor(port).data for port in self._outputs]
            return tuple(np.array(output, np.float32) for output in outputs)
        except (RuntimeError, MemoryError) as error:
            raise _error("run", error) from error
        finally:
            for name, tensor in timed_inputs.items():
                self._request.set_tensor(self._inputs[name], tensor)

    def _port(self, name: str) -> Any:
        # An input whose first op was removed has the name of that op's output too.
        for port in self._inputs.values():
            if name in port.names:
                return port
        raise RuntimeFailed(f"openvino: no input {name!r}, only {', '.join(self._inputs)}")


def _name(port: Any) -> str:
    return str(port.any_name)


def _dtype(port: Any) -> Any:
    dtype = _DTYPES.get(port.element_type.get_type_name())
    if dtype is None:
        raise RuntimeFailed(
            f"input {_name(port)!r} is a tensor of {port.element_type.get_type_name()}, which "
            f"cannot be filled; the types that can are {', '.join(_DTYPES)}"
        )
    return dtype


def _error(action: Action, error: Exception) -> RuntimeFailed:
    return runtime_error("openvino", action, error, _MEMORY_MESSAGES)
