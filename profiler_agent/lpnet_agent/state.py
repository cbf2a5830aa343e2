"""The folder in which an agent keeps what must survive it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from lpnet_agent.errors import BadSetup


class StateDir:
    """One agent's folder, held for as long as the object is entered.

    The lock is the kernel's: an agent that is killed lets go of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = path / "spool"
        self.spaces = path / "spaces"
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            for folder in (self.path, self.spool, self.spaces):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadSetup(f"state folder {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise BadSetup(
                f"state folder {self.path}: another agent uses it; give this one --state-dir"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)
