"""`lpnet-agent list-runtimes`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import typer

from lpnet_agent.cli.base import AsJson, reported


def list_runtimes(as_json: AsJson = False) -> None:
    """What can execute networks here."""
    with reported("list-runtimes"):
        from lpnet_agent.runtimes.registry import listing

        found = [asdict(entry) for entry in listing()]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for entry in found:
        typer.echo(_line(entry))


def _line(entry: dict[str, Any]) -> str:
    """For example "openvino 2026.4.1, cpu (AMD EPYC): fp32, int8"."""
    name = " ".join(filter(None, (entry["name"], entry["version"])))
    place = entry["provider"] + (f" ({entry['device']})" if entry["device"] else "")
    if not entry["available"]:
        return f"{name}, {place}: not available: {entry['reason']}"
    return f"{name}, {place}: {', '.join(entry['precisions'])}"
