"""The runtimes that this agent supports, by name."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import cast

from lpnet.errors import MissingExtra
from lpnet.installation import install_command
from lpnet_agent.errors import SetupError
from lpnet_agent.runtimes.base import Provider, Runtime, RuntimeConfig, RuntimeModule


@dataclass(frozen=True, kw_only=True)
class RuntimeEntry:
    """One supported runtime.

    `short` is its name within the names of targets. `module` implements `base.RuntimeModule`, and
    imports `package`, which one of the `distributions` installs. `extra` is the extra of lpnet
    that requires it.
    """

    name: str
    short: str
    module: str
    package: str
    distributions: tuple[str, ...]
    extra: str


RUNTIMES = (
    RuntimeEntry(
        name="onnxruntime",
        short="ort",
        module="lpnet_agent.runtimes.onnxruntime",
        package="onnxruntime",
        distributions=("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
        extra="agent",
    ),
    RuntimeEntry(
        name="torch",
        short="torch",
        module="lpnet_agent.runtimes.torch.eager",
        package="torch",
        distributions=("torch",),
        extra="torch",
    ),
    RuntimeEntry(
        name="torch-compile",
        short="torchc",
        module="lpnet_agent.runtimes.torch.compiled",
        package="torch",
        distributions=("torch",),
        extra="torch",
    ),
    RuntimeEntry(
        name="openvino",
        short="ov",
        module="lpnet_agent.runtimes.openvino",
        package="openvino",
        distributions=("openvino",),
        extra="openvino",
    ),
    RuntimeEntry(
        name="litert",
        short="litert",
        module="lpnet_agent.runtimes.litert.runtime",
        package="ai_edge_litert",
        distributions=("ai-edge-litert",),
        extra="litert",
    ),
)
NAMES = tuple(entry.name for entry in RUNTIMES)


@dataclass(frozen=True)
class RuntimeSupport:
    """What a runtime can do with one provider on this machine; version and device are None if
    unknown. `without` says why, for each precision that is missing."""

    name: str
    provider: str
    available: bool
    version: str | None
    device: str | None
    precisions: tuple[str, ...]
    reason: str | None
    without: Mapping[str, str] = field(default_factory=dict)


def runtime_entry(name: str) -> RuntimeEntry:
    """Raises SetupError for an unknown name."""
    for entry in RUNTIMES:
        if entry.name == name:
            return entry
    raise SetupError(f"unknown runtime {name!r}: this agent supports {', '.join(NAMES)}")


def create_runtime(name: str, config: RuntimeConfig) -> Runtime:
    """The runtime with a name. Raises SetupError if it is unknown or does not support the config
    here, and MissingExtra if its package is not installed."""
    entry = runtime_entry(name)
    if not _is_installed(entry):
        raise MissingExtra(f"measuring with {name}", entry.extra, entry.package)
    module = _import_module(entry)
    _check_support(name, config, module.providers())
    return module.create(config)


def list_support(names: Iterable[str] = NAMES) -> tuple[RuntimeSupport, ...]:
    """Imports the runtimes that are installed."""
    return tuple(support for name in names for support in _list_support(runtime_entry(name)))


def _list_support(entry: RuntimeEntry) -> list[RuntimeSupport]:
    if not _is_installed(entry):
        reason = f"not installed: {install_command(entry.extra)}"
        return [RuntimeSupport(entry.name, "cpu", False, None, None, (), reason)]
    version = _version(entry)
    try:
        providers = _import_module(entry).providers()
    except (ImportError, OSError, RuntimeError) as error:
        # The package is installed but does not load: a missing library, an unsupported CPU, ...
        reason = f"cannot be imported: {error}"
        return [RuntimeSupport(entry.name, "cpu", False, version, None, (), reason)]
    return [
        RuntimeSupport(
            entry.name,
            provider.name,
            provider.unavailable is None,
            version,
            provider.device,
            provider.precisions if provider.unavailable is None else (),
            provider.unavailable,
            provider.unsupported if provider.unavailable is None else {},
        )
        for provider in providers
    ]


def _check_support(name: str, config: RuntimeConfig, providers: tuple[Provider, ...]) -> None:
    provider = next((p for p in providers if p.name == config.provider), None)
    if provider is None:
        names = ", ".join(provider.name for provider in providers)
        raise SetupError(f"{name} has no provider {config.provider!r}: it supports {names}")
    if provider.unavailable is not None:
        raise SetupError(f"{name} cannot run on {provider.name!r} here: {provider.unavailable}")
    if config.precision not in provider.precisions:
        supported = ", ".join(provider.precisions)
        reason = provider.unsupported.get(config.precision)
        raise SetupError(
            f"{name} has no precision {config.precision!r} on {provider.name!r} here: it supports "
            f"{supported}" + (f" ({reason})" if reason else "")
        )


def _import_module(entry: RuntimeEntry) -> RuntimeModule:
    return cast(RuntimeModule, importlib.import_module(entry.module))


def _is_installed(entry: RuntimeEntry) -> bool:
    return importlib.util.find_spec(entry.package) is not None


def _version(entry: RuntimeEntry) -> str | None:
    for distribution in entry.distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None  # a build with another distribution name
