"""Files that are either complete or absent, even after a crash or a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lpnet_agent.errors import WriteFailed

# The state folder is closed to other users: spaces and results may be confidential.
PRIVATE = 0o600
PRIVATE_FOLDER = 0o700

# A disk with less free space counts as full: the results of a job take up to some 100 kB.
_MIN_FREE_BYTES = 2**20


def write_atomically(path: Path, content: bytes) -> None:
    """Write a private file under a temporary name, flush it to disk, then rename it.

    Raises WriteFailed, naming the folder; a failed attempt leaves nothing behind.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _write_failed(path.parent, error.strerror or str(error)) from error


def check_free_space(folder: Path) -> None:
    """Raises WriteFailed, naming the folder, if it is full or read-only."""
    try:
        status = os.statvfs(folder)
    except OSError as error:
        raise _write_failed(folder, error.strerror or str(error)) from error
    if status.f_flag & os.ST_RDONLY:
        raise _write_failed(folder, "the file system is read-only")
    if status.f_bavail * status.f_frsize < _MIN_FREE_BYTES:
        raise _write_failed(folder, "no space left on device")


def remove_partial(folder: Path) -> None:
    """Remove incomplete files that a crash left behind. Call it only while no other process writes
    there."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    # The name of a new file is stored in its folder, not in the file.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_failed(folder: Path, reason: str) -> WriteFailed:
    return WriteFailed(
        f"cannot write to {folder}: {reason}. Free some space, or choose another folder with "
        "--state-dir"
    )
