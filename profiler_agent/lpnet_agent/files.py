"""Files that are whole or not there, whatever happens to the process or the machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lpnet_agent.errors import NotKept

# What an agent keeps is its owner's: spaces and results may be confidential.
PRIVATE = 0o600
PRIVATE_FOLDER = 0o700

# Less than this is full: a parcel of results takes up to a few hundred kilobytes.
_LEAST_ROOM = 2**20


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name, make it durable, and only then give it its name. Nobody
    but its owner may read it.

    Raises NotKept, naming the folder, where that cannot be; nothing is left of the attempt.
    """
    partial = _partial(path)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        make_durable(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise NotKept(_in_words(path.parent, error.strerror or str(error))) from error


def check_room(folder: Path) -> None:
    """Raises NotKept, naming the folder, where a file would not fit or may not be written."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise NotKept(_in_words(folder, error.strerror or str(error))) from error
    if found.f_flag & os.ST_RDONLY:
        raise NotKept(_in_words(folder, "it is on a read-only file system"))
    if found.f_bavail * found.f_frsize < _LEAST_ROOM:
        raise NotKept(_in_words(folder, "no space left on device"))


def remove_partial(folder: Path) -> None:
    """Remove what a crash left of files that were being written; nobody may be writing now."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def make_durable(folder: Path) -> None:
    """A file's name is kept by its folder, which reaches the disk by itself."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _in_words(folder: Path, why: str) -> str:
    return (
        f"cannot write to {folder}: {why}. Free space there, or give the agent another folder by "
        "--state-dir"
    )
