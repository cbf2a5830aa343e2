"""LiteRT on CPUs: its interpreter, with the XNNPACK delegate that it applies by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from lpnet_agent.errors import BadSetup, OutOfMemory, RuntimeFailed
from lpnet_agent.runtimes.base import (
    PRECISIONS,
    Array,
    InferenceSession,
    Provider,
    Runtime,
    RuntimeConfig,
    RuntimeInfo,
    without,
)
from lpnet_agent.runtimes.litert.file import File
from lpnet_agent.runtimes.litert.lowering import TO_FIRST, TO_LAST, Code
from lpnet_agent.runtimes.litert.writer import tflite
from lpnet_agent.runtimes.options import chosen

_RESOLVERS = {
    "xnnpack": OpResolverType.BUILTIN,
    "none": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}
_OPTIONS = {"delegate": tuple(_RESOLVERS)}
_FLOAT = "the .tflite files that lpnet writes are in float32; LiteRT's converter makes others"
_ERRORS = (RuntimeError, ValueError, MemoryError)


def providers() -> tuple[Provider, ...]:
    """See base."""
    return (Provider("cpu", without=without(("fp32",), dict.fromkeys(PRECISIONS, _FLOAT))),)


def make(choice: RuntimeConfig) -> Runtime:
    """See base."""
    return LiteRt(choice)


class LiteRt:
    """What XNNPACK does not know of a network, LiteRT's own kernels run, as in an application."""

    def __init__(self, choice: RuntimeConfig) -> None:
        """Raises BadSetup for an option or value that there is not, or without XNNPACK."""
        self._choice = choice
        options, _ = chosen("litert", choice.options, _OPTIONS)
        self._delegate = options["delegate"]
        if self._delegate == "xnnpack" and not self._delegates():
            raise BadSetup("litert: this build has no XNNPACK; choose the option delegate=none")

    def describe(self) -> RuntimeInfo:
        return RuntimeInfo(
            name="litert",
            version=ai_edge_litert.__version__,
            provider="cpu",
            precision=self._choice.precision,
            threads=self._choice.threads,
            options={"delegate": self._delegate},
            variant="nodelegate" if self._delegate == "none" else "",
        )

    def load(self, model: bytes) -> InferenceSession:
        try:
            return _Loaded(self._interpreter(tflite(model)))
        except _ERRORS as error:
            raise _failed("load", error) from error

    def _interpreter(self, content: bytes) -> Any:
        with _hushed():
            interpreter = Interpreter(
                model_content=content,
                num_threads=self._choice.threads,
                experimental_op_resolver_type=_RESOLVERS[self._delegate],
            )
            interpreter.allocate_tensors()
        return interpreter

    def _delegates(self) -> bool:
        """Whether a network is handed to a delegate. Nothing public tells."""
        file = File()
        source, result = file.tensor("x", (1, 8)), file.tensor("y", (1, 8))
        file.op(Code.RELU, [source], result, None, 1)
        interpreter = self._interpreter(file.finish([source], [result]))
        return any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())


class _Loaded:
    """An interpreter with its input in place."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        inputs = interpreter.get_input_details()
        self._places = {each["name"]: each["index"] for each in inputs}
        self._outputs = [each["index"] for each in interpreter.get_output_details()]
        rng = np.random.default_rng(0)
        self._drawn = {
            each["name"]: rng.standard_normal(each["shape"]).astype(np.float32) for each in inputs
        }
        self._put(self._drawn)

    def run(self, n: int) -> None:
        invoke = self._interpreter.invoke
        try:
            for _ in range(n):
                invoke()
        except _ERRORS as error:
            raise _failed("run", error) from error

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        try:
            self._put({name: _turned(value, TO_LAST) for name, value in inputs.items()})
            self._interpreter.invoke()
            found = [self._interpreter.get_tensor(place) for place in self._outputs]
        except _ERRORS as error:
            raise _failed("run", error) from error
        finally:
            self._put(self._drawn)
        return tuple(_turned(value, TO_FIRST) for value in found)

    def _put(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            self._interpreter.set_tensor(self._places[name], value.astype(np.float32, copy=False))


def _turned(value: Array, order: tuple[int, ...]) -> Array:
    """An image in the other layout."""
    return np.ascontiguousarray(value.transpose(order)) if value.ndim == 4 else value


@contextmanager
def _hushed() -> Iterator[None]:
    """LiteRT notes on the standard error which delegates it makes, and has no switch for that;
    what goes wrong it raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _failed(deed: str, error: Exception) -> RuntimeFailed:
    said = str(error)
    # Where there is no memory for tensors, LiteRT says nothing, and XNNPACK only this.
    silent = deed == "load" and (not said or "failed to reshape runtime" in said)
    if silent or isinstance(error, MemoryError):
        return OutOfMemory(f"litert cannot {deed} the network: not enough memory for its tensors")
    return RuntimeFailed(f"litert cannot {deed} the network: {said}")
