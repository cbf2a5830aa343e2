"""The Dockerfile, read instruction by instruction."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Image:
    """What a target says of the processes that run from it."""

    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: dict[str, str]
    user: str


def instructions() -> list[tuple[str, str]]:
    """Every instruction with its words; continued lines are joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    split = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word, text) for word, text in split]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, all of which begin from the same image."""
    stages_: dict[str, list[tuple[str, str]]] = {}
    for word, text in instructions():
        if word == "FROM":
            image, _, name = text.partition(" AS ")
            assert image == "python:${PYTHON}"
            stages_[name] = []
        elif stages_:
            stages_[list(stages_)[-1]].append((word, text))
    return stages_


def image(target: str) -> Image:
    """The image of a target."""
    values = dict(stages()[target])
    pairs = [pair.partition("=") for pair in shlex.split(values.get("ENV", ""))]
    return Image(
        entrypoint=tuple(json.loads(values["ENTRYPOINT"])),
        command=tuple(json.loads(values["CMD"])),
        environment={name: value for name, _, value in pairs},
        user=values["USER"],
    )
