"""The contract of a runtime.

A runtime is a module or package in this folder that follows `RuntimeModule`, and has an entry in
`registry.RUNTIMES`. `tests/contract/test_runtimes.py` then tests it against ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

Array = NDArray[Any]

PRECISIONS = ("fp32", "fp16", "bf16", "int8")


@dataclass(frozen=True)
class RuntimeConfig:
    """What a target requests of its runtime. `options` are specific to the runtime, by name."""

    threads: int
    provider: str = "cpu"
    precision: str = "fp32"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Provider:
    """Something that a runtime can run networks on, such as `cpu` or `cuda`.

    `device` is the name of the CPU or GPU, if the runtime knows it. `unavailable` says why the
    provider cannot be used on this machine; None if it can. `unsupported` says why, for each of
    PRECISIONS that is not among `precisions`.
    """

    name: str
    precisions: tuple[str, ...] = ("fp32",)
    device: str | None = None
    unavailable: str | None = None
    unsupported: Mapping[str, str] = field(default_factory=dict)


def unsupported_precisions(
    precisions: Collection[str], reasons: Mapping[str, str]
) -> dict[str, str]:
    """The reasons for those of PRECISIONS that are not in `precisions`, for Provider.

    Raises ValueError for a precision without a reason.
    """
    missing = [name for name in PRECISIONS if name not in precisions]
    unexplained = [name for name in missing if name not in reasons]
    if unexplained:
        raise ValueError(f"say why there is no {', '.join(unexplained)}: `reasons` has no entry")
    return {name: reasons[name] for name in missing}


@dataclass(frozen=True)
class RuntimeInfo:
    """The part of a target's identity that the runtime determines.

    `options` holds every setting that affects latency. `variant` is a short word for those that
    are not the default; it becomes part of the target's name.
    """

    name: str
    version: str
    provider: str
    precision: str
    threads: int
    options: Mapping[str, Any]
    variant: str = ""


class InferenceSession(Protocol):
    """A network that is loaded and ready to run."""

    def run(self, n: int) -> None:
        """Make n inferences back to back, each complete before the next begins.

        The input is already in place and always the same, so that nothing but inference is timed.
        Raises RuntimeFailed, or OutOfMemory.
        """
        ...

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        """Compute the outputs for given inputs. It is not timed; tests compare runtimes by it.

        `inputs` are float32 arrays by the model's input names, images with axes (batch, channels,
        height, width). Outputs are float32, in the model's order and layout.
        """
        ...


class Runtime(Protocol):
    """Loads networks. It is created inside the measuring process, which is already pinned to its
    cores."""

    def describe(self) -> RuntimeInfo: ...

    def load(self, model: bytes) -> InferenceSession:
        """Load a float32 ONNX model with concrete shapes. Afterwards every inference takes the
        same time: compilation, allocation and the start of threads are done.

        Raises RuntimeFailed, naming the op or tensor, or OutOfMemory.
        """
        ...


class RuntimeModule(Protocol):
    """The functions of a runtime's module.

    The module may import its package at the top: it is only imported if that package is installed
    and the runtime is used or listed.
    """

    def providers(self) -> tuple[Provider, ...]:
        """What the runtime can run on, including providers that this machine lacks."""
        ...

    def create(self, config: RuntimeConfig) -> Runtime:
        """The runtime for a provider and precision that `providers` offers. Raises SetupError for
        an unknown option."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """Optional, for a Runtime that can load a network from a file, which saves memory."""

    def load_file(self, model: Path) -> InferenceSession:
        """As Runtime.load. The file may be deleted once this returns."""
        ...


@runtime_checkable
class PoolsMemory(Protocol):
    """Optional, for a Runtime whose sessions share one memory pool for their activations, and hold
    little more than weights between runs."""

    @property
    def pools_memory(self) -> bool:
        """Whether that is so with the current settings."""
        ...


@runtime_checkable
class DeviceTimedSession(InferenceSession, Protocol):
    """Optional, for an InferenceSession on a device that has its own clock, such as a GPU."""

    @property
    def prepares(self) -> bool:
        """Whether `prepare` has to be called before every timed inference."""
        ...

    def prepare(self) -> None:
        """Bring the device into the state that the target requires before an inference. It is not
        timed. Raises as `run` does."""
        ...

    def device_ms(self) -> float:
        """Make one inference and return its time by the device's clock, ms. Raises as `run`
        does."""
        ...
