"""Distinct user names for processes that use a phone at the same time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_SHORT = 12


@contextmanager
def user_slot(user: str, state: Path) -> Iterator[str]:
    """The first free name of `user-0`, `user-1`, ... for a state folder, locked within the
    context. The lock of a killed process is released, so the next one takes over its name and the
    files that it left on the phone."""
    owner = hashlib.sha256(f"{os.getuid()}:{state.resolve()}".encode()).hexdigest()[:_SHORT]
    for slot in count():
        path = Path(tempfile.gettempdir()) / f"lpnet-{owner}-{user}-{slot}.lock"
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"{user}-{slot}"
            return
        finally:
            os.close(file)
