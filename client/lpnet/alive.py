"""A file by which a process without a port says that it works: for health checks."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from lpnet.errors import LpnetError

_PERIOD_S = 1.0


class AliveFile:
    """Holds the id of the process that touched it last; None: there is no file.

    Processes may share one: it then says that one of them works. Best on a tmpfs. Raises
    LpnetError where the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched = -_PERIOD_S

    def touch(self) -> None:
        """This process works now. Writes at most once a second."""
        now = time.monotonic()
        if self._path is None or now - self._touched < _PERIOD_S:
            return
        self._touched = now
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            part.write_text(str(os.getpid()))
            part.replace(self._path)
        except OSError as error:
            raise LpnetError(f"alive file {self._path}: {error.strerror}") from error

    def remove(self) -> None:
        """This process ends. A file that another has touched since stays."""
        with suppress(OSError):
            if self._path is not None and self._path.read_text() == str(os.getpid()):
                self._path.unlink()


def not_alive(path: Path, within_s: float) -> str | None:
    """Why nothing works there: no file, its process is gone, or it was touched longer than
    `within_s` ago. None where something does."""
    try:
        pid, touched = int(path.read_text()), path.stat().st_mtime
    except OSError as error:
        return f"{path}: {error.strerror}"
    except ValueError:
        return f"{path}: not a file of lpnet's"
    if not runs(pid):
        return f"process {pid} is gone"
    # A clock that was set back must not make an old file look fresh.
    age_s = abs(time.time() - touched)
    return None if age_s <= within_s else f"process {pid} has done nothing for {age_s:.0f} s"


def runs(pid: int) -> bool:
    """Whether there is a process of that id, whoever it belongs to."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
