"""Names for several users of one phone who begin at the same time."""

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
    """The first of `user-0`, `user-1`, ... that nobody with that state folder holds now. One that
    was killed holds none, so its name, and what it left behind under it, is the next one's."""
    owner = hashlib.sha256(f"{os.getuid()}:{state.resolve()}".encode()).hexdigest()[:_SHORT]
    for place in count():
        path = Path(tempfile.gettempdir()) / f"lpnet-{owner}-{user}-{place}.lock"
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"{user}-{place}"
            return
        finally:
            os.close(file)
