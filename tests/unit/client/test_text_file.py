"""Text files that users write, and the option --widths that reads one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpnet import zoo
from lpnet.cli.base import read_widths
from lpnet.errors import FileFormatError, LpnetError
from lpnet.text_file import open_text


def test_line_ends_are_those_of_python_and_the_mark_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    with open_text(file) as text:
        assert text.readlines() == ["one\n", "two\n"]
    file.write_bytes(b"")
    with open_text(file) as text:
        assert text.read() == ""


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="Is a directory"), open_text(tmp_path):
        pass
    gone = tmp_path / "gone.txt"
    with pytest.raises(FileFormatError, match=r"gone\.txt: No such file"), open_text(gone):
        pass


def test_widths_are_read_from_a_file_of_windows(tmp_path: Path) -> None:
    space = zoo.space("resnet20")
    names = ", ".join(f'"{width.name}": {width.max}' for width in space.widths)
    file = tmp_path / "widths.json"
    file.write_bytes(b"\xef\xbb\xbf" + f"{{{names}}}\r\n".encode())
    assert read_widths(f"@{file}", space) == [space.named(space.dense)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}".encode("utf-16"), r"--widths: .*widths\.json is UTF-16 .* save it as UTF-8"),
        (b"\xff{}", r"--widths: .*widths\.json is not UTF-8 text; save it as UTF-8"),
        (b"{", "--widths is not JSON"),
    ],
)
def test_widths_that_cannot_be_read_are_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "widths.json"
    file.write_bytes(content)
    with pytest.raises(LpnetError, match=message):
        read_widths(f"@{file}", zoo.space("resnet20"))
