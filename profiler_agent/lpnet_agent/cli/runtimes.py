"""`lpnet-agent list-runtimes`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from lpnet_agent.cli.base import AsJson, one_line_errors

if TYPE_CHECKING:
    from lpnet_agent.runtimes.registry import RuntimeSupport


def list_runtimes(as_json: AsJson = False) -> None:
    """List the runtimes that work here, with their precisions, and why others do not work."""
    with one_line_errors("list-runtimes"):
        if as_json:
            typer.echo(json.dumps([asdict(entry) for entry in _entries()]))
            return
        for entry in _entries():
            typer.echo(_format(entry))
            for reason in dict.fromkeys(entry.without.values()):
                names = [name for name, text in entry.without.items() if text == reason]
                typer.echo(f"    not {', '.join(names)}: {reason}")


def _entries() -> Iterator[RuntimeSupport]:
    # One runtime at a time, because importing one may take seconds.
    from lpnet_agent.runtimes.registry import NAMES, list_support

    for name in NAMES:
        yield from list_support([name])


def _format(entry: RuntimeSupport) -> str:
    """For example "openvino 2026.4.1, cpu (AMD EPYC): fp32, int8"."""
    name = " ".join(filter(None, (entry.name, entry.version)))
    provider = entry.provider + (f" ({entry.device})" if entry.device else "")
    if not entry.available:
        return f"{name}, {provider}: not available: {entry.reason}"
    return f"{name}, {provider}: {', '.join(entry.precisions)}"
