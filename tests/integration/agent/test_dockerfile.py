"""The Dockerfile, read and followed as far as that goes without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, str]]:
    """Every instruction with its words; continued lines are joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word, rest) for word, rest in found]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in instructions():
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            assert image == "python:${PYTHON}"
            found[name] = []
        elif found:
            found[list(found)[-1]].append((word, rest))
    return found


def copied(stage: str) -> list[tuple[str, str]]:
    """Sources and where they go."""
    pairs = []
    for word, rest in stages()[stage]:
        if word == "COPY":
            *sources, target = rest.split()
            pairs += [(source, target) for source in sources]
    return pairs


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    sources = {source for stage in stages() for source, _ in copied(stage)}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_the_agent_has_no_rights_and_what_it_needs() -> None:
    words = dict(stages()["agent"])
    assert words["USER"] == "lpnet"
    assert words["ENTRYPOINT"] == '["lpnet-agent"]'
    assert words["CMD"] == '["run"]'
    assert "lpnet-agent" in PROJECT["scripts"]
    assert words["ARG"].removeprefix("EXTRAS=") in PROJECT["optional-dependencies"]
    folder = words["VOLUME"]
    assert f"LPNET_AGENT_STATE_DIR={folder}" in words["ENV"]
    made = next(rest for word, rest in stages()["agent"] if word == "RUN" and "useradd" in rest)
    assert f"--home-dir {folder}" in made


def test_its_python_is_one_that_lpnet_runs_on() -> None:
    found = re.search(r"^ARG PYTHON=(3\.\d+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    assert f"Programming Language :: Python :: {found[1]}" in PROJECT["classifiers"]


def test_the_wheel_is_built_from_what_was_copied(tmp_path: Path) -> None:
    for source, target in copied("wheel"):
        place = tmp_path / "src" / (target if target != "./" else source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    (command,) = [rest for word, rest in stages()["wheel"] if word == "RUN"]
    python, *words = command.replace("/wheels", str(tmp_path / "wheels")).split()
    assert python == "python"
    subprocess.run([sys.executable, *words], cwd=tmp_path / "src", check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").glob("lpnet-*.whl")
    assert "py3-none-any" in wheel.name  # for every architecture
