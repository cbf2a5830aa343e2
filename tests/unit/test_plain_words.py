"""tools/plain-words counts names that do not say what they hold, and fails above a limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "plain-words"


def plain_words(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False
    )


def test_product_code_stays_below_the_limit() -> None:
    done = plain_words()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "self.place = 1",
        "for one in rows: pass",
        "def asked(): pass",
        "def check(given): pass",
        "class Moment: pass",
        "_known: int = 1",
        "with open(path) as seen: pass",
        "rows = [said for said in messages]",
        "from rows import count as most",
    ],
)
def test_a_vague_name_is_listed_with_its_line_where_it_is_bound(code: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"import path, rows, messages\n{code}\n")
    done = plain_words("--list", file)
    assert done.returncode == 1
    assert f"{file}:2: " in done.stdout
    assert "1 vague names in 2 lines" in done.stdout


def test_a_vague_file_name_counts_and_a_use_does_not(tmp_path: Path) -> None:
    (tmp_path / "place.py").write_text("rows = result\n")
    (tmp_path / "module.py").write_text("rows = found.place(given)\n")
    done = plain_words("--list", tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'place.py'}:1: place",
        "1 vague names in 2 lines: 500.0 per 1,000 lines",
    ]
