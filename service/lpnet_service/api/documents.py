"""What the OpenAPI document says beside the schemas: summaries, groups and examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lpnet_service.api.examples import EXAMPLES
from lpnet_service.api.problems import problems

_AGENTS = "agents"
TAGS = {
    "targets": "Devices with a runtime and a mode, and whether they can be measured",
    "devices": "Machines that run networks",
    "spaces": "Networks with all widths that they can be pruned to",
    "campaigns": "Measuring a space on a target",
    "lpnets": "Latency models of targets, and starting to train them",
    "trainings": "Trainings and studies in the queue",
    "predictions": "Latency of networks by the LPNet of a target",
    "tables": "Measured beside predicted latency, and targets beside each other",
    "samples": "Measured latencies in and out",
    "prunings": "Results of pruning jobs",
    "session": "Log in and out, and who the caller is",
    "health": "For whatever supervises the service",
    _AGENTS: "Only for `lpnet-agent`: registering a device and working on its jobs. A client "
    "does not need these",
}
_GROUPS = {"leases": _AGENTS}


def complete(document: dict[str, Any]) -> None:
    """Add summaries, groups, examples, and the answer to an unknown query parameter."""
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    refused = {str(status): answer for status, answer in problems(422).items()}
    for path, operation in _operations(document):
        operation["summary"] = _summary(operation["description"])
        operation["tags"] = [_GROUPS.get(tag, tag) for tag in operation["tags"]]
        if path.startswith("/v1/"):
            operation["responses"] = refused | operation["responses"]
        example = EXAMPLES.get(operation["operationId"])
        if example is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = example


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _summary(description: str) -> str:
    """The first sentence, without its full stop."""
    return re.split(r"(?<=[.;])\s", " ".join(description.split()), maxsplit=1)[0].rstrip(".;")
