"""A file that shows that a process without a port is alive, for health checks."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

from lpnet.errors import LpnetError

_PERIOD_S = 1.0


class AliveFile:
    """A file with the id of the process that touched it last. Without a path it does nothing.

    Processes may share a file; it then shows that at least one is alive. A tmpfs suits it best.
    Raises LpnetError if the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched_at = -_PERIOD_S

    def touch(self) -> None:
        """Writes at most once a second."""
        now = time.monotonic()
        if self._path is None or now - self._touched_at < _PERIOD_S:
            return
        self._touched_at = now
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            part.write_text(str(os.getpid()))
            part.replace(self._path)
        except OSError as error:
            # A full disk passes. Until then the file grows old, and so the process looks.
            if error.errno != errno.ENOSPC:
                raise LpnetError(f"alive file {self._path}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the file, unless another process has touched it since."""
        with suppress(OSError):
            if self._path is not None and self._path.read_text() == str(os.getpid()):
                self._path.unlink()


def not_alive_reason(path: Path, within_s: float) -> str | None:
    """None if a process touched the file within the last `within_s`; else the reason."""
    try:
        pid, touched_at = int(path.read_text()), path.stat().st_mtime
    except OSError as error:
        return f"{path}: {error.strerror}"
    except ValueError:
        return f"{path}: not a file of lpnet"
    if not process_exists(pid):
        return f"process {pid} is gone"
    # If the clock was set back, an old file must not look new.
    age_s = abs(time.time() - touched_at)
    return None if age_s <= within_s else f"process {pid} has shown no activity for {age_s:.0f} s"


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
