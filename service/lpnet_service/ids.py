"""Ids of new rows."""

from __future__ import annotations

import secrets


def new_id(prefix: str) -> str:
    """An id that nobody can guess, with a prefix for its kind: `job-5f0c...`."""
    return f"{prefix}-{secrets.token_hex(12)}"
