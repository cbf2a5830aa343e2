"""Hints name the place from where lpnet was installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lpnet.errors import MissingExtra
from lpnet.installation import install_command


def install(folder: Path, record: dict[str, object] | None) -> None:
    """A distribution `parts` as pip leaves it."""
    info = folder / "parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: parts\nVersion: 1.0\n")
    if record is not None:
        (info / "direct_url.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("record", "command"),
    [
        (
            {"url": "file:///home/me/parts-1.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'parts[fast] @ file:///home/me/parts-1.0-py3-none-any.whl'",
        ),
        (
            {"url": "file:///home/my%20clone", "dir_info": {"editable": True}},
            "pip install -e '/home/my clone[fast]'",
        ),
        (
            {"url": "file:///home/clone", "dir_info": {}},
            "pip install 'parts[fast] @ file:///home/clone'",
        ),
        (None, "pip install 'parts[fast]'"),
    ],
)
def test_the_command_names_where_it_came_from(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record: dict[str, object] | None,
    command: str,
) -> None:
    install(tmp_path, record)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert install_command("fast", "parts") == command
    assert install_command("", "parts") == command.replace("[fast]", "")
    assert str(MissingExtra("this", "fast", "x", "parts")) == (
        f"this needs the package 'x': {command}"
    )


def test_of_what_is_not_installed_it_asks_for_a_wheel() -> None:
    assert install_command("fast", "no-such-parts") == (
        "pip install 'no-such-parts[fast] @ file:///PATH/TO/WHEEL'"
    )
