"""The distributions belong together, and a tag makes them ready for a package index."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"lpnet": ".", "lpnet-service": "service", "lpnet-demo": "demo"}
ADDRESS = "https://example.org/lpnet"


def project(root: Path, folder: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((root / folder / "pyproject.toml").read_text())
    return dict(table["project"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What tools/prepare-release reads and writes."""
    for folder in FOLDERS.values():
        (tmp_path / folder).mkdir(exist_ok=True)
        shutil.copy(ROOT / folder / "pyproject.toml", tmp_path / folder)
    for file in ("README.md", "CHANGELOG.md", "tools/prepare-release"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def prepare(root: Path, tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "tools" / "prepare-release", tag, ADDRESS],
        capture_output=True,
        text=True,
        check=False,
    )


def test_distributions_have_one_version_and_require_it_of_each_other() -> None:
    projects = {name: project(ROOT, folder) for name, folder in FOLDERS.items()}
    assert {name: entry["name"] for name, entry in projects.items()} == {n: n for n in FOLDERS}
    (version,) = {entry["version"] for entry in projects.values()}
    internal = [
        requirement
        for entry in projects.values()
        for requirement in entry["dependencies"]
        if requirement.startswith("lpnet")
    ]
    assert len(internal) == 3
    assert all(requirement.endswith(f"=={version}") for requirement in internal)


def test_distributions_have_the_same_licence() -> None:
    texts = {(ROOT / folder / "LICENSE").read_bytes() for folder in FOLDERS.values()}
    assert len(texts) == 1


def test_a_tag_makes_addresses_and_links_absolute(checkout: Path) -> None:
    changelog = checkout / "CHANGELOG.md"
    version = project(checkout, ".")["version"]
    changelog.write_text(changelog.read_text() + f"\n## [{version}]\n")
    done = prepare(checkout, f"v{version}")
    assert done.returncode == 0, done.stderr
    for folder in FOLDERS.values():
        assert project(checkout, folder)["urls"]["Source"] == ADDRESS
    readme = (checkout / "README.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links
    assert all(link.startswith("https://") for link in links)
    assert f"]({ADDRESS}/blob/v{version}/docs/start/install.md)" in readme
    assert f"]({ADDRESS}/raw/v{version}/docs/screenshots/curves.png)" in readme


def test_a_tag_of_another_version_is_refused(checkout: Path) -> None:
    done = prepare(checkout, "v99.0.0")
    assert done.returncode == 1
    assert "the tag is v99.0.0, but pyproject.toml has" in done.stderr


def test_a_version_without_a_section_in_the_changelog_is_refused(checkout: Path) -> None:
    version = project(checkout, ".")["version"]
    done = prepare(checkout, f"v{version}")
    assert done.returncode == 1
    assert f"CHANGELOG.md has no section [{version}]" in done.stderr
