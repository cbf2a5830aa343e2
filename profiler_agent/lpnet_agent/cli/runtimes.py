"""`lpnet-agent list-runtimes`."""

from __future__ import annotations

import json
from dataclasses import asdict

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
        state = entry["version"] or "available" if entry["available"] else entry["reason"]
        typer.echo(f"{entry['name']} ({entry['provider']}): {state}")
