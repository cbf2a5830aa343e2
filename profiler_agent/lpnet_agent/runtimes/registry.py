"""The runtimes that this agent knows, by name."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType

from lpnet.errors import MissingExtra
from lpnet_agent.errors import BadSetup
from lpnet_agent.runtimes.base import Provider, Runtime, RuntimeConfig


@dataclass(frozen=True)
class RuntimeEntry:
    """A runtime: the module here that speaks to it, what that imports, and who brings that.

    `short` stands in the names of targets.
    """

    name: str
    short: str
    module: str
    package: str
    distributions: tuple[str, ...]
    extra: str


RUNTIMES = (
    RuntimeEntry(
        "onnxruntime",
        "ort",
        "onnxruntime",
        "onnxruntime",
        ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
        "agent",
    ),
    RuntimeEntry("torch", "torch", "torch.eager", "torch", ("torch",), "torch"),
    RuntimeEntry("torch-compile", "torchc", "torch.compiled", "torch", ("torch",), "torch"),
    RuntimeEntry("openvino", "ov", "openvino", "openvino", ("openvino",), "openvino"),
    RuntimeEntry(
        "litert", "litert", "litert.runtime", "ai_edge_litert", ("ai-edge-litert",), "litert"
    ),
)
NAMES = tuple(known.name for known in RUNTIMES)


@dataclass(frozen=True)
class RuntimeSupport:
    """A line of `list-runtimes`; version and device are None where they are unknown. `without`
    says why, of each precision that there is not."""

    name: str
    provider: str
    available: bool
    version: str | None
    device: str | None
    precisions: tuple[str, ...]
    reason: str | None
    without: Mapping[str, str] = field(default_factory=dict)


def known(name: str) -> RuntimeEntry:
    """Raises BadSetup for an unknown name."""
    for one in RUNTIMES:
        if one.name == name:
            return one
    raise BadSetup(f"unknown runtime {name!r}: this agent knows {', '.join(NAMES)}")


def make(name: str, choice: RuntimeConfig) -> Runtime:
    """The runtime of that name. Raises BadSetup for one that is unknown or does not offer what is
    chosen here, and MissingExtra without its package."""
    wanted = known(name)
    if not _installed(wanted):
        raise MissingExtra(f"measuring with {name}", wanted.extra, wanted.package)
    module = _module(wanted)
    _require(name, choice, module.providers())
    runtime: Runtime = module.make(choice)
    return runtime


def listing(names: Iterable[str] = NAMES) -> tuple[RuntimeSupport, ...]:
    """What the runtimes of these names can run on here. Imports those that are installed."""
    return tuple(line for name in names for line in _lines(known(name)))


def _lines(wanted: RuntimeEntry) -> list[RuntimeSupport]:
    if not _installed(wanted):
        reason = f"not installed: pip install 'lpnet[{wanted.extra}]'"
        return [RuntimeSupport(wanted.name, "cpu", False, None, None, (), reason)]
    version = _version(wanted)
    try:
        providers = _module(wanted).providers()
    except (ImportError, OSError, RuntimeError) as error:
        # A package that is there and does not load: a missing library, the wrong CPU, ...
        reason = f"cannot be imported: {error}"
        return [RuntimeSupport(wanted.name, "cpu", False, version, None, (), reason)]
    return [
        RuntimeSupport(
            wanted.name,
            offer.provider,
            offer.reason is None,
            version,
            offer.device,
            offer.precisions if offer.reason is None else (),
            offer.reason,
            offer.without if offer.reason is None else {},
        )
        for offer in providers
    ]


def _require(name: str, choice: RuntimeConfig, providers: tuple[Provider, ...]) -> None:
    """Raises BadSetup where a choice is not on offer, saying what is."""
    for offer in providers:
        if offer.provider != choice.provider:
            continue
        if offer.reason is not None:
            raise BadSetup(f"{name} cannot run on {choice.provider!r} here: {offer.reason}")
        if choice.precision not in offer.precisions:
            there = ", ".join(offer.precisions)
            wanted = f"{choice.precision!r} on {choice.provider!r}"
            why = offer.without.get(choice.precision)
            words = f"{name} has no precision {wanted} here: {there}"
            raise BadSetup(words + (f" ({why})" if why else ""))
        return
    providers = ", ".join(offer.provider for offer in providers)
    raise BadSetup(f"{name} knows no provider {choice.provider!r}: {providers}")


def _module(wanted: RuntimeEntry) -> ModuleType:
    return importlib.import_module(f"lpnet_agent.runtimes.{wanted.module}")


def _installed(wanted: RuntimeEntry) -> bool:
    return importlib.util.find_spec(wanted.package) is not None


def _version(wanted: RuntimeEntry) -> str | None:
    for distribution in wanted.distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None  # a build under another distribution name
