"""OpenVINO on CPUs, from ONNX."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
from openvino import properties
from openvino.properties import hint

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

_DEVICE = "CPU"
_PRECISIONS = {"fp32": ov.Type.f32, "fp16": ov.Type.f16, "bf16": ov.Type.bf16}
# What it calls them among what a device is good at.
_WORDS = {"fp32": "FP32", "fp16": "FP16", "bf16": "BF16", "int8": "INT8"}
# ONNX Runtime's tools quantise.
_QUANTISES = importlib.util.find_spec("onnxruntime") is not None
_UNABLE = "OpenVINO does not compute in it on this CPU"
_OPTIONS: dict[str, tuple[str, ...]] = {}
_NO_ROOM = ("bad_alloc", "could not allocate", "failed to allocate", "out of memory")


def providers() -> tuple[Provider, ...]:
    """See base."""
    core = ov.Core()
    if _DEVICE not in core.available_devices:
        return (Provider("cpu", reason="this build of OpenVINO has no plugin for the CPU"),)
    able = core.get_property(_DEVICE, properties.device.capabilities)
    precisions = tuple(
        name for name, word in _WORDS.items() if word in able and (name != "int8" or _QUANTISES)
    )
    name = core.get_property(_DEVICE, properties.device.full_name).strip()
    tools = "onnxruntime quantises for it, and is not installed: pip install 'lpnet[agent]'"
    reasons = {word: _UNABLE for word in _WORDS}
    if _WORDS["int8"] in able:
        reasons["int8"] = tools
    missing = without(precisions, reasons)
    return (Provider("cpu", precisions, device=name or None, without=missing),)


def make(choice: RuntimeConfig) -> Runtime:
    """See base."""
    return OpenVino(choice)


class OpenVino:
    """One stream with the target's threads, for latency, as its own `benchmark_app -hint latency`
    would set it; threads stay where this process is pinned."""

    def __init__(self, choice: RuntimeConfig) -> None:
        """Raises BadSetup for an option: it has none."""
        self._choice = choice
        _, self._variant = chosen("openvino", choice.options, _OPTIONS)
        self._core = ov.Core()

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="openvino",
            version=ov.get_version().split("-")[0],
            provider="cpu",
            precision=self._choice.precision,
            threads=self._choice.threads,
            options={"performance_hint": "latency", "streams": 1, "cpu_pinning": False},
            variant=self._variant,
        )

    def load(self, model: bytes) -> InferenceSession:
        config = {
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            # What is not quantised in an int8 network is computed in float32.
            hint.inference_precision: _PRECISIONS.get(self._choice.precision, ov.Type.f32),
            hint.enable_cpu_pinning: False,
            properties.num_streams: 1,
            properties.inference_num_threads: self._choice.threads,
            # The cores are chosen already; else it would leave out what it takes for siblings.
            hint.enable_hyper_threading: True,
        }
        try:
            if self._choice.precision == "int8":
                from lpnet_agent.runtimes.quantise import quantised

                model = quantised(model)
            network = self._core.read_model(model)
            for port in (*network.inputs, *network.outputs):
                if port.partial_shape.is_dynamic:
                    name = port.any_name
                    raise RuntimeFailed(f"tensor {name!r} has no concrete shape")
            compiled = self._core.compile_model(network, _DEVICE, config)
            self._require(compiled, properties.inference_num_threads, self._choice.threads)
            self._require(compiled, hint.inference_precision, config[hint.inference_precision])
            return _Loaded(compiled)
        except (RuntimeError, MemoryError) as error:
            raise _failed("load", error) from error

    def _require(self, compiled: Any, name: Any, asked: object) -> None:
        """What is asked for may be a hint to OpenVINO; here it is what the target says."""
        found = compiled.get_property(name)
        if found != asked:
            raise RuntimeFailed(f"openvino runs with {name} of {found}, not {asked}")


class _Loaded:
    """A compiled network with its input in place."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._inputs = {port.any_name: port for port in compiled.inputs}
        self._outputs = list(compiled.outputs)
        rng = np.random.default_rng(0)
        for port in compiled.inputs:
            drawn = rng.standard_normal(tuple(port.shape)).astype(np.float32)
            self._request.set_tensor(port, ov.Tensor(drawn))
        self._request.infer()

    def run(self, n: int) -> None:
        infer = self._request.infer
        try:
            for _ in range(n):
                infer()
        except (RuntimeError, MemoryError) as error:
            raise _failed("run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        kept = {name: self._request.get_tensor(port) for name, port in self._inputs.items()}
        try:
            for name, value in inputs.items():
                given = np.ascontiguousarray(value, dtype=np.float32)
                self._request.set_tensor(self._inputs[name], ov.Tensor(given))
            self._request.infer()
            return tuple(self._request.get_tensor(port).data.copy() for port in self._outputs)
        except (RuntimeError, MemoryError) as error:
            raise _failed("run", error) from error
        finally:
            for name, tensor in kept.items():
                self._request.set_tensor(self._inputs[name], tensor)


def _failed(deed: str, error: Exception) -> RuntimeFailed:
    words = f"openvino cannot {deed} the network: {error}"
    tight = isinstance(error, MemoryError) or any(word in str(error).lower() for word in _NO_ROOM)
    return OutOfMemory(words) if tight else RuntimeFailed(words)
