"""A database's password that is kept in a file, apart from its URL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from lpnet_service.errors import SetupError

_SETTING = "LPNET_DATABASE_PASSWORD_FILE"


def with_password(url: str, file: Path) -> str:
    """The URL with the password that the file holds, without the line end after it.

    Raises SetupError for a file that cannot be read or is empty, and for a URL that has a
    password already or needs none. A URL that is none is left for whoever opens it.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        return url
    if found.get_backend_name() == "sqlite" or found.password is not None:
        why = "has a password already" if found.password is not None else "is SQLite's"
        raise SetupError(f"{_SETTING}: the URL in LPNET_DATABASE_URL {why}")
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise SetupError(f"{_SETTING}: {file}: {why}") from error
    if not password:
        raise SetupError(f"{_SETTING}: {file} is empty")
    return found.set(password=password).render_as_string(hide_password=False)
