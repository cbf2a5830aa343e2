"""What the agent asks of a runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class RuntimeInfo:
    """The part of a target's identity that the runtime decides."""

    name: str
    version: str
    provider: str
    precision: str
    threads: int
    options: Mapping[str, Any]


class Session(Protocol):
    """One network, loaded and ready to run."""

    def run(self, n: int) -> None:
        """Make n inferences back to back, each of them complete before the next begins.

        The input is in place already and always the same. Raises RuntimeFailed.
        """
        ...


class Runtime(Protocol):
    """Loads networks; made inside the measuring process, once its cores are set."""

    def describe(self) -> RuntimeInfo: ...

    def load(self, model: bytes) -> Session:
        """Make an ONNX model with concrete shapes ready to run. Raises RuntimeFailed."""
        ...
