"""The token of this process, from its environment or a file."""

from __future__ import annotations

import os
from pathlib import Path

from lpnet.errors import LpnetError

_LONGEST = 500


def read_secret(path: Path) -> str:
    """The secret in a file, without the space around it.

    Raises LpnetError, naming the file, where there is none, or it is not one word of ASCII.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST + 2)
    except OSError as error:
        raise LpnetError(f"{path}: {error.strerror}") from error
    try:
        return checked(raw.decode("ascii"))
    except (UnicodeDecodeError, ValueError) as error:
        raise LpnetError(f"{path} holds no token: it should be one word of ASCII") from error


def checked(secret: str) -> str:
    """A secret without the space around it. ValueError for what no header can carry."""
    secret = secret.strip()
    fits = 0 < len(secret) <= _LONGEST
    if not fits or not all("!" <= letter <= "~" for letter in secret):
        raise ValueError("a token is one word of ASCII")
    return secret


def from_environment() -> str | None:
    """LPNET_TOKEN, or what is in the file that LPNET_TOKEN_FILE names; None where neither is set.

    Raises LpnetError, naming the variable, for a file that holds no token.
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
