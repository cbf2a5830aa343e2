"""docker-compose.yml, read as an engine reads it, as far as plain processes can follow it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.harness import dockerfile

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """A service of the file, with what its image adds.

    `command` is that of its container, `healthy` that of its health check, empty if it has none.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    healthy: tuple[str, ...]
    after: dict[str, str]
    replicas: int
    stop_signal: str


def file() -> dict[str, Any]:
    """The file, anchors followed, and variables replaced by their defaults."""
    text = _VARIABLE.sub(lambda match: match[2] or "", FILE.read_text())
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def services() -> dict[str, Service]:
    """All services, by name."""
    return {name: _service(name, service) for name, service in file()["services"].items()}


def _service(name: str, service: dict[str, Any]) -> Service:
    image = dockerfile.image(service["build"]["target"]) if "build" in service else None
    entrypoint = image.entrypoint if image else ()
    command = service.get("command") or (image.command if image else ())
    check = service.get("healthcheck", {}).get("test", ["CMD"])
    assert check[0] == "CMD", "a shell's command could not be run as it is"
    return Service(
        name=name,
        command=(*entrypoint, *command),
        environment={**(image.environment if image else {}), **service.get("environment", {})},
        healthy=tuple(check[1:]),
        after={other: on["condition"] for other, on in service.get("depends_on", {}).items()},
        replicas=service.get("deploy", {}).get("replicas", 1),
        stop_signal=service.get("stop_signal", "SIGTERM"),
    )
