"""The runtimes that this agent knows, by name."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib import metadata

from lpnet.errors import MissingExtra
from lpnet_agent.errors import BadSetup
from lpnet_agent.runtimes.base import Runtime

NAMES = ("onnxruntime",)


@dataclass(frozen=True)
class Listing:
    """A runtime as `list-runtimes` shows it; version None where it is unknown."""

    name: str
    provider: str
    available: bool
    version: str | None
    reason: str | None


def make(name: str, threads: int) -> Runtime:
    """The runtime of that name. Raises BadSetup for an unknown one, MissingExtra without its
    package."""
    if name not in NAMES:
        raise BadSetup(f"unknown runtime {name!r}: this agent knows {', '.join(NAMES)}")
    if not _installed():
        raise MissingExtra("measuring", "agent", "onnxruntime")
    from lpnet_agent.runtimes.onnxruntime import OnnxRuntimeCpu

    return OnnxRuntimeCpu(threads)


def listing() -> tuple[Listing, ...]:
    """Every known runtime, and whether it can be used here."""
    found = _installed()
    return (
        Listing(
            name="onnxruntime",
            provider="cpu",
            available=found,
            version=_version("onnxruntime") if found else None,
            reason=None if found else "not installed: pip install 'lpnet[agent]'",
        ),
    )


def _installed() -> bool:
    return importlib.util.find_spec("onnxruntime") is not None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None  # a build under another distribution name
