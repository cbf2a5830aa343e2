"""The database's password, kept in a file apart from its URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from lpnet_service.errors import SetupError
from lpnet_service.settings import from_environment

URL = "postgresql://lpnet@here:5432/lpnet"


def settings(monkeypatch: pytest.MonkeyPatch, url: str | None, file: Path) -> str:
    if url is not None:
        monkeypatch.setenv("LPNET_DATABASE_URL", url)
    monkeypatch.setenv("LPNET_DATABASE_PASSWORD_FILE", str(file))
    loaded = from_environment()
    assert "s3/cr@t:" not in repr(loaded)
    assert "s3%2Fcr" not in repr(loaded)
    return loaded.database_url


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_it_becomes_part_of_the_url(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text(f"s3/cr@t: {end}", newline="")
    url = make_url(settings(monkeypatch, URL, file))
    assert url.password == "s3/cr@t: "
    assert url.render_as_string() == URL.replace("@", ":***@")


@pytest.mark.parametrize(
    ("url", "content", "message"),
    [
        (URL, None, "password: No such file or directory"),
        (URL, b"", "password is empty"),
        (URL, b"\xff\xfe", "password: not text"),
        ("postgresql://lpnet:known@here/lpnet", b"x", "already has a password"),
        ("sqlite:///lpnet.db", b"x", "needs no password"),
        (None, b"x", "needs no password"),
    ],
)
def test_what_cannot_be_is_said(
    url: str | None,
    content: bytes | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LPNET_DATABASE_URL", raising=False)
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SetupError, match="LPNET_DATABASE_PASSWORD_FILE: ") as caught:
        settings(monkeypatch, url, file)
    assert message in str(caught.value)
    assert "known" not in str(caught.value)
