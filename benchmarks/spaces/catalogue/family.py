"""One network of a family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Family:
    """A network that a package builds, and the shape of its example input.

    `model` is the name of a constructor of the package; `arguments` belong to it, or to the
    configuration of a network of transformers. Inputs of `tokens` are integers below 50.
    """

    package: str
    model: str
    kind: Literal["cnn", "transformer"]
    shape: tuple[int, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tokens: bool = False
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.package}/{self.model}" + (f"-{self.variant}" if self.variant else "")
