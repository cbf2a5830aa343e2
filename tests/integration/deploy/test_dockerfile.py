"""The Dockerfile, read and followed as far as that goes without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from tests.harness.dockerfile import ROOT, image, stages

PROJECTS = {
    folder: tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    for folder in (".", "service")
}
PROJECT_OF = {"agent": PROJECTS["."], "service": PROJECTS["service"]}
IMAGES = {"agent": "lpnet-agent", "service": "lpnet-service"}
DISTRIBUTIONS = ("lpnet", "lpnet_service")
images = pytest.mark.parametrize(("target", "script"), IMAGES.items(), ids=list(IMAGES))


def copied(stage: str) -> list[tuple[str, str]]:
    """Sources and where they go."""
    pairs = []
    for word, text in stages()[stage]:
        if word == "COPY":
            *sources, target = text.split()
            pairs += [(source, target) for source in sources]
    return pairs


def test_a_linter_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    sources = {source for stage in stages() for source, _ in copied(stage)}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)


@images
def test_an_image_has_no_rights_and_what_it_needs(target: str, script: str) -> None:
    arguments_of = dict(stages()[target])
    config_ = image(target)
    assert config_.user == "10001:10001"
    assert config_.entrypoint == (script,)
    assert config_.command[0] == "run"
    assert script in PROJECT_OF[target]["scripts"]
    extras = [text for word, text in stages()[target] if word == "ARG" and "EXTRAS" in text]
    assert extras == ["EXTRAS=agent" if target == "agent" else "EXTRAS="]
    (user,) = [text for word, text in stages()[target] if word == "RUN" and "useradd" in text]
    match = re.search(r"--home-dir (\S+)", user)
    assert match is not None
    folder = match[1]
    assert user.endswith(f"--owner lpnet --group lpnet {folder}")
    assert any(folder in value for value in config_.environment.values())
    assert arguments_of.get("VOLUME") == (folder if target == "agent" else None)


@images
def test_where_packages_come_from_is_for_whoever_builds(target: str, script: str) -> None:
    hosts = re.findall(r"https?://([^/\s]+)", " ".join(text for _, text in stages()[target]))
    assert hosts == []


def test_its_python_is_one_that_lpnet_runs_on() -> None:
    match = re.search(r"^ARG PYTHON=(3\.\d+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert match is not None
    assert f"Programming Language :: Python :: {match[1]}" in PROJECTS["."]["classifiers"]


@images
def test_a_shell_makes_of_the_install_what_is_meant(
    target: str, script: str, tmp_path: Path
) -> None:
    """With the wheel where it will be, and a python that only shows its words."""
    (run,) = [text for word, text in stages()[target] if word == "RUN" and "pip install" in text]
    mount, _, command = run.partition("python -m pip install")
    assert mount.strip() == "--mount=type=bind,from=wheel,source=/wheels,target=/wheels"
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("lpnet", "lpnet_service"):
        (wheels / f"{name}-0.1.0-py3-none-any.whl").touch()
    script = f"printf '%s\\n' {command}".replace("/wheels", str(wheels))

    def arguments_of(**arguments: str) -> list[str]:
        done = subprocess.run(
            ["/bin/sh", "-c", script], env=arguments, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    client, service = (f"{wheels}/{name}-0.1.0-py3-none-any.whl" for name in DISTRIBUTIONS)
    pinned = ["-c", "/tmp/constraints.txt"]
    if target == "agent":
        assert arguments_of(EXTRAS="a,b") == [*pinned, f"{client}[a,b]"]
        return
    assert arguments_of() == [*pinned, client, service]
    assert arguments_of(EXTRAS="a,b") == [*pinned, client, f"{service}[a,b]"]
    index = ["--extra-index-url", "https://example.org/cpu"]
    assert arguments_of(TORCH_INDEX=index[1]) == [*pinned, *index, client, service]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels by distribution, built from what the Dockerfile copies, as it builds them."""
    folder = tmp_path_factory.mktemp("build")
    for source, target in copied("wheel"):
        copy = folder / "src" / (target if target != "./" else source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, copy)
    (command,) = [text for word, text in stages()["wheel"] if word == "RUN"]
    python, *arguments = command.replace("/wheels", str(folder / "wheels")).split()
    assert python == "python"
    subprocess.run(
        [sys.executable, *arguments], cwd=folder / "src", check=True, capture_output=True
    )
    return {file.name.partition("-")[0]: file for file in (folder / "wheels").iterdir()}


def test_the_wheels_are_built_from_what_was_copied(wheels: dict[str, Path]) -> None:
    assert set(wheels) == set(DISTRIBUTIONS)
    # For every architecture.
    assert all("py3-none-any" in wheel.name for wheel in wheels.values())


def test_the_wheel_of_an_agent_has_nothing_of_the_service(wheels: dict[str, Path]) -> None:
    folders = {
        name: {path.partition("/")[0] for path in zipfile.ZipFile(wheel).namelist()}
        for name, wheel in wheels.items()
    }
    assert folders["lpnet"] == {"lpnet", "lpnet_agent", "lpnet-0.1.0.dist-info"}
    assert folders["lpnet_service"] == {"lpnet_service", "lpnet_service-0.1.0.dist-info"}
    names = zipfile.ZipFile(wheels["lpnet_service"]).namelist()
    for part in ("web/static/", "web/templates/", "db/migrations/"):
        assert any(name.startswith(f"lpnet_service/{part}") for name in names), part
