"""Files of others that pages load: as their packages published them, with their licences."""

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


@pytest.mark.parametrize("package", MANIFEST, ids=lambda package: str(package["package"]))
def test_a_package_is_what_its_entry_says(package: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
    assert package["licence"] in FREE
    for file in package["files"]:
        content = (VENDOR / file["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"], file["file"]
    assert any(file["in_package"] == "LICENSE" for file in package["files"])


def test_nothing_else_is_there() -> None:
    listed = {file["file"] for package in MANIFEST for file in package["files"]}
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert there == listed | {"manifest.json"}


def test_a_changed_file_has_another_address(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    before = version(tmp_path)
    (tmp_path / "a.js").write_text("2")
    changed = version(tmp_path)
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    assert len({before, changed, version(tmp_path)}) == 3


@pytest.mark.parametrize(
    "path",
    [p for p in FOLDER.rglob("*") if p.suffix in {".js", ".css"} and VENDOR not in p.parents],
)
def test_our_own_files_name_no_other_server_and_make_no_markup_of_text(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://(?!www\.w3\.org/)|//[a-z]+\.[a-z]+/", text)
    assert not re.search(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(", text)
