"""Tokens for the service, from the environment or a file."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from pathlib import Path

from lpnet.errors import LpnetError

_MAX_LENGTH = 500


def read_secret(path: Path) -> str:
    """The secret in a file, without surrounding whitespace.

    Raises LpnetError, naming the file, if it is missing or does not hold a valid secret.
    """
    try:
        with path.open("rb") as file:
            # Room for a byte order mark, a line end, and a character too many.
            raw = file.read(len(BOM_UTF8) + _MAX_LENGTH + 3)
    except OSError as error:
        raise LpnetError(f"{path}: {error.strerror}") from error
    try:
        return check_secret(raw.removeprefix(BOM_UTF8).decode("ascii"))
    except (UnicodeDecodeError, ValueError) as error:
        raise LpnetError(
            f"{path} must hold a token: {_MAX_LENGTH} ASCII characters at most, without spaces, "
            "in UTF-8"
        ) from error


def check_secret(secret: str) -> str:
    """A secret without surrounding whitespace. Raises ValueError if no HTTP header can hold it."""
    secret = secret.strip()
    has_valid_length = 0 < len(secret) <= _MAX_LENGTH
    if not has_valid_length or not all("!" <= character <= "~" for character in secret):
        raise ValueError(f"must be {_MAX_LENGTH} ASCII characters at most, without spaces")
    return secret


def from_environment() -> str | None:
    """LPNET_TOKEN, or the content of the file LPNET_TOKEN_FILE, or None.

    Raises LpnetError, naming the variable, if the file does not hold a token.
    """
    secret = os.environ.get("LPNET_TOKEN")
    if secret:
        return secret
    file = os.environ.get("LPNET_TOKEN_FILE")
    if not file:
        return None
    try:
        return read_secret(Path(file))
    except LpnetError as error:
        raise LpnetError(f"LPNET_TOKEN_FILE: {error}") from error
