"""What the agent asks of a runtime.

A runtime is a module of this package with two functions, and a line in `registry.KNOWN`:

    def offers() -> tuple[Offer, ...]: ...          what can be used here, and why the rest cannot
    def make(choice: Choice) -> Runtime: ...        raises BadSetup for what is not on offer

It may import what it needs at its top: it is imported only where it is used or listed.
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
    """What a target asks of its runtime. `options` are the runtime's own, by name."""

    threads: int
    provider: str = "cpu"
    precision: str = "fp32"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Provider:
    """Something a runtime runs networks on. `reason` says why it cannot here; None: it can.

    `without` says of each of the PRECISIONS that is not on offer why not.
    """

    provider: str
    precisions: tuple[str, ...] = ("fp32",)
    device: str | None = None
    reason: str | None = None
    without: Mapping[str, str] = field(default_factory=dict)


def without(precisions: Collection[str], reasons: Mapping[str, str]) -> dict[str, str]:
    """The reasons of those that are not among some precisions, for Offer."""
    return {name: reasons[name] for name in PRECISIONS if name not in precisions}


@dataclass(frozen=True)
class RuntimeInfo:
    """The part of a target's identity that the runtime decides.

    `variant` is a short word for what departs from the usual options, for the target's name.
    """

    name: str
    version: str
    provider: str
    precision: str
    threads: int
    options: Mapping[str, Any]
    variant: str = ""


class InferenceSession(Protocol):
    """One network, loaded and ready to run."""

    def run(self, n: int) -> None:
        """Make n inferences back to back, each of them complete before the next begins.

        The input is in place already and always the same. Raises RuntimeFailed, OutOfMemory.
        """
        ...

    def infer(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        """The outputs, in the model's order and layout (batch, channels, height, width), of
        inputs by the model's names for them. Not timed: it is how runtimes are compared."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A runtime that takes a network from a file too, which then is nowhere else in memory while
    it is made ready."""

    def load_file(self, model: Path) -> InferenceSession:
        """As Runtime.load. The file may go once this returns."""
        ...


@runtime_checkable
class PoolsMemory(Protocol):
    """A runtime whose sessions take what flows through them from one pool, and so hold little
    more than weights between their runs."""

    @property
    def pools_memory(self) -> bool:
        """Whether it does, as it is set up."""
        ...


@runtime_checkable
class DeviceTimedSession(InferenceSession, Protocol):
    """A session on a device that has a clock of its own."""

    @property
    def prepares(self) -> bool:
        """Whether `prepare` is to be called before every inference that is timed."""
        ...

    def prepare(self) -> None:
        """Make the device as the target wants it before an inference, to the end: what it takes
        belongs to nobody's time. Raises as `run` does."""
        ...

    def device_ms(self) -> float:
        """Make one inference; what it took by the device's own clock, ms. Raises as `run`."""
        ...


class Runtime(Protocol):
    """Loads networks; made inside the measuring process, once its cores are set."""

    def describe(self) -> RuntimeInfo: ...

    def load(self, model: bytes) -> InferenceSession:
        """Make an ONNX model with concrete shapes ready to run, threads and buffers included.

        Raises RuntimeFailed, which names the op or tensor, or OutOfMemory.
        """
        ...
