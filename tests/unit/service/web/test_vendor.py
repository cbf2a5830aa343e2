"""Files that pages load: vendored ones as published, with licences; our own without markup."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lpnet_service.web.assets import FOLDER, version

VENDOR = FOLDER / "vendor"
MANIFEST: list[dict[str, Any]] = json.loads((VENDOR / "manifest.json").read_text())
FREE = {"Apache-2.0", "MIT"}
OWN_FILES = [
    path
    for path in FOLDER.rglob("*")
    if path.suffix in {".js", ".css"} and VENDOR not in path.parents
]


@pytest.mark.parametrize("package", MANIFEST, ids=lambda package: str(package["package"]))
def test_a_package_is_what_its_entry_says(package: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
    assert package["licence"] in FREE
    for file in package["files"]:
        content = (VENDOR / file["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"], file["file"]
    assert any(file["in_package"] == "LICENSE" for file in package["files"])


def test_there_are_no_other_vendored_files() -> None:
    listed = {file["file"] for package in MANIFEST for file in package["files"]}
    vendored = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert vendored == listed | {"manifest.json"}


def test_a_changed_file_has_another_address(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    before = version(tmp_path)
    (tmp_path / "a.js").write_text("2")
    changed = version(tmp_path)
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    assert len({before, changed, version(tmp_path)}) == 3


@pytest.mark.parametrize("path", OWN_FILES)
def test_our_own_files_name_no_other_server_and_make_no_markup_of_text(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://(?!www\.w3\.org/)|//[a-z]+\.[a-z]+/", text)
    assert not re.search(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(", text)


@pytest.mark.parametrize("path", [*OWN_FILES, *FOLDER.parent.glob("templates/*.html")])
def test_our_own_files_have_no_line_over_100_columns(path: Path) -> None:
    """The formatter wraps code, but neither strings nor comments."""
    assert [line for line in path.read_text().splitlines() if len(line) > 100] == []
