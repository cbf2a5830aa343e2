"""Where the client, its commands and the agent take their token from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpnet.errors import LpnetError
from lpnet.tokens import from_environment, read_secret
from lpnet_agent.cli.settings_options import read_settings
from lpnet_agent.errors import SetupError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LPNET_TOKEN", raising=False)
    path = tmp_path / "token"
    path.write_text("lpnet_of_the_file\n")
    monkeypatch.setenv("LPNET_TOKEN_FILE", str(path))
    return path


def test_the_variable_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment() == "lpnet_of_the_file"
    assert read_settings().token == "lpnet_of_the_file"
    monkeypatch.setenv("LPNET_TOKEN", "lpnet_of_the_variable")
    assert from_environment() == "lpnet_of_the_variable"
    assert read_settings().token == "lpnet_of_the_variable"
    monkeypatch.delenv("LPNET_TOKEN")
    monkeypatch.delenv("LPNET_TOKEN_FILE")
    assert from_environment() is None
    assert read_settings().token is None


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe", b"x" * 600])
def test_a_file_that_holds_no_token_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(LpnetError, match=f"LPNET_TOKEN_FILE: {file} must hold a token"):
        from_environment()
    with pytest.raises(SetupError, match="LPNET_TOKEN_FILE"):
        read_settings()


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    file.unlink()
    with pytest.raises(LpnetError, match=r"LPNET_TOKEN_FILE: .*No such file"):
        from_environment()
    with pytest.raises(LpnetError, match="Is a directory"):
        read_secret(file.parent)


@pytest.mark.parametrize("length", [17, 500])
def test_a_file_that_windows_wrote_is_read(file: Path, length: int) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + b"t" * length + b"\r\n")
    assert from_environment() == "t" * length
    file.write_bytes(b"\xef\xbb\xbf" + b"t" * 501)
    with pytest.raises(LpnetError, match="500 ASCII characters at most"):
        from_environment()


def test_a_token_in_utf_16_is_refused_with_a_remedy(file: Path) -> None:
    file.write_bytes("lpnet_secret\r\n".encode("utf-16"))
    with pytest.raises(LpnetError, match=r"LPNET_TOKEN_FILE: .* in UTF-8"):
        from_environment()
