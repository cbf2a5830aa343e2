"""`lpnet-agent list-runtimes`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from lpnet_agent.cli.base import AsJson, reported

if TYPE_CHECKING:
    from lpnet_agent.runtimes.registry import Listing


def list_runtimes(as_json: AsJson = False) -> None:
    """What can execute networks here, in which precisions, and why not in others."""
    with reported("list-runtimes"):
        if as_json:
            typer.echo(json.dumps([asdict(entry) for entry in _entries()]))
            return
        for entry in _entries():
            typer.echo(_line(entry))
            for reason in dict.fromkeys(entry.without.values()):
                names = [name for name, why in entry.without.items() if why == reason]
                typer.echo(f"    not {', '.join(names)}: {reason}")


def _entries() -> Iterator[Listing]:
    """As they are known: a runtime may take seconds to import."""
    from lpnet_agent.runtimes.registry import NAMES, listing

    for name in NAMES:
        yield from listing([name])


def _line(entry: Listing) -> str:
    """For example "openvino 2026.4.1, cpu (AMD EPYC): fp32, int8"."""
    name = " ".join(filter(None, (entry.name, entry.version)))
    place = entry.provider + (f" ({entry.device})" if entry.device else "")
    if not entry.available:
        return f"{name}, {place}: not available: {entry.reason}"
    return f"{name}, {place}: {', '.join(entry.precisions)}"
