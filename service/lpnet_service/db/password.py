"""The password of a database, read from a file."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from lpnet_service.errors import SetupError

_SETTING = "LPNET_DATABASE_PASSWORD_FILE"


def with_password(url: str, file: Path) -> str:
    """The URL with the password from the file, without the line end after it.

    An invalid URL is returned as it is, for Database to report. Raises SetupError if the file
    cannot be read or is empty, or if the URL already has a password or needs none.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return url
    if parsed.password is not None:
        raise SetupError(f"{_SETTING}: the URL in LPNET_DATABASE_URL already has a password")
    if parsed.get_backend_name() == "sqlite":
        raise SetupError(
            f"{_SETTING}: the SQLite database in LPNET_DATABASE_URL needs no password"
        )
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SetupError(f"{_SETTING}: {file}: {reason}") from error
    if not password:
        raise SetupError(f"{_SETTING}: {file} is empty")
    return parsed.set(password=password).render_as_string(hide_password=False)
