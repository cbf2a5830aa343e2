"""LiteRT on CPUs: its interpreter with the XNNPACK delegate, which it applies by default."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lpnet_agent.errors import OutOfMemory, RuntimeFailed, SetupError
from lpnet_agent.runtimes.base import (
    PRECISIONS,
    Array,
    InferenceSession,
    Provider,
    Runtime,
    RuntimeConfig,
    RuntimeInfo,
    unsupported_precisions,
)
from lpnet_agent.runtimes.failures import Action
from lpnet_agent.runtimes.litert.file import TfliteFile
from lpnet_agent.runtimes.litert.lowering import TO_NCHW, TO_NHWC, Code
from lpnet_agent.runtimes.litert.writer import tflite
from lpnet_agent.runtimes.options import resolve_options

_RESOLVERS = {
    "xnnpack": OpResolverType.BUILTIN,
    "none": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}
_OPTIONS = {"delegate": tuple(_RESOLVERS)}
_FLOAT = "lpnet writes .tflite files in float32 only"
_ERRORS = (RuntimeError, ValueError, MemoryError)


def providers() -> tuple[Provider, ...]:
    unsupported = unsupported_precisions(("fp32",), dict.fromkeys(PRECISIONS, _FLOAT))
    return (Provider("cpu", unsupported=unsupported),)


def create(config: RuntimeConfig) -> Runtime:
    return LiteRt(config)


class LiteRt:
    """Ops that XNNPACK does not support run on LiteRT's own kernels, as in an application."""

    def __init__(self, config: RuntimeConfig) -> None:
        self._config = config
        options, _ = resolve_options("litert", config.options, _OPTIONS)
        self._delegate = options["delegate"]
        if self._delegate == "xnnpack" and not self._has_delegate():
            raise SetupError("litert: this build has no XNNPACK; use the option delegate=none")

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="litert",
            version=ai_edge_litert.__version__,
            provider="cpu",
            precision=self._config.precision,
            threads=self._config.threads,
            options={"delegate": self._delegate},
            variant="nodelegate" if self._delegate == "none" else "",
        )

    def load(self, model: bytes) -> InferenceSession:
        try:
            return _Session(self._interpreter(tflite(model)))
        except _ERRORS as error:
            raise _error("load", error) from error

    def _interpreter(self, content: bytes) -> Any:
        with _silenced_stderr():
            interpreter = Interpreter(
                model_content=content,
                num_threads=self._config.threads,
                experimental_op_resolver_type=_RESOLVERS[self._delegate],
            )
            interpreter.allocate_tensors()
        return interpreter

    def _has_delegate(self) -> bool:
        # There is no public way to ask whether a delegate takes over a network.
        file = TfliteFile()
        source, result = file.tensor("x", (1, 8)), file.tensor("y", (1, 8))
        file.op(Code.RELU, [source], result, None, 1)
        interpreter = self._interpreter(file.finish([source], [result]))
        return any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())


class _Session:
    """An interpreter with its input in place."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        inputs = interpreter.get_input_details()
        self._indices = {tensor["name"]: tensor["index"] for tensor in inputs}
        self._outputs = [tensor["index"] for tensor in interpreter.get_output_details()]
        rng = np.random.default_rng(0)
        self._timed_inputs = {
            tensor["name"]: rng.standard_normal(tensor["shape"]).astype(np.float32)
            for tensor in inputs
        }
        self._set_inputs(self._timed_inputs)

    def run(self, n: int) -> None:
        invoke = self._interpreter.invoke
        try:
            for _ in range(n):
                invoke()
        except _ERRORS as error:
            raise _error("run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        try:
            self._set_inputs({name: _transposed(value, TO_NHWC) for name, value in inputs.items()})
            self._interpreter.invoke()
            outputs = [self._interpreter.get_tensor(index) for index in self._outputs]
        except _ERRORS as error:
            raise _error("run", error) from error
        finally:
            self._set_inputs(self._timed_inputs)
        return tuple(_transposed(value, TO_NCHW) for value in outputs)

    def _set_inputs(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            self._interpreter.set_tensor(self._indices[name], value.astype(np.float32, copy=False))


def _transposed(value: Array, order: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(value.transpose(order)) if value.ndim == 4 else value


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    # LiteRT prints its delegates to the standard error, which cannot be switched off. Its errors
    # are raised.
    sys.stderr.flush()
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def _error(action: Action, error: Exception) -> RuntimeFailed:
    message = str(error)
    # Without memory for tensors LiteRT raises an empty error, and XNNPACK this one.
    no_memory = action == "load" and (not message or "failed to reshape runtime" in message)
    if no_memory or isinstance(error, MemoryError):
        return OutOfMemory(
            f"litert cannot {action} the network: not enough memory for its tensors"
        )
    return RuntimeFailed(f"litert cannot {action} the network: {message}")
