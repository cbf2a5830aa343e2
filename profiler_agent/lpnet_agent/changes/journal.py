"""What was changed on this device, on disk before it is changed, and how it is put back.

One agent at a time owns a journal: its state folder has a lock for that. A guardian of an agent
that was killed may still be at work when the next one starts, hence the lock here, and the owner's
mark in the journal: nobody puts back what another has changed since.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_JOURNAL = "changes.json"
_LOCK = "changes.lock"
_LONGEST = 4096


@dataclass(frozen=True)
class Change:
    """A file that held `old` and is to hold `new`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Undone:
    """What became of a change, in words; `settled` false: it is still to be put back."""

    words: str
    settled: bool = True


class Journal:
    """The journal in a state folder. Use it inside `locked` only."""

    def __init__(self, state: Path) -> None:
        self._path = state / _JOURNAL
        self._lock = state / _LOCK

    def exists(self) -> bool:
        return self._path.exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the journal; the kernel frees the lock of whoever dies."""
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def write(self, mark: str, changes: Sequence[Change]) -> None:
        """Say what is about to be changed; when this returns it survives a power cut."""
        content = json.dumps({"mark": mark, "changes": [asdict(change) for change in changes]})
        partial = self._path.with_name(f".{_JOURNAL}.part")
        with partial.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        self._sync()

    def undo(self, mark: str | None = None) -> list[Undone]:
        """Put back what the journal says, if it bears this mark (None: any). What cannot be put
        back stays in the journal, for the next who tries.

        Raises ValueError for a file that is no journal.
        """
        found = self._read()
        if found is None or mark not in (None, found[0]):
            return []
        # The last that was changed goes first.
        tried = [(change, _put_back(change)) for change in reversed(found[1])]
        left = [change for change, undone in reversed(tried) if not undone.settled]
        if left:
            # Where that fails the journal says too much, which does no harm: what is put back
            # already is seen to be.
            with contextlib.suppress(OSError):
                self.write(found[0], left)
        else:
            self._path.unlink()
            self._sync()
        return [undone for _, undone in tried]

    def _read(self) -> tuple[str, list[Change]] | None:
        try:
            content = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            seen = json.loads(content)
            return str(seen["mark"]), [Change(**change) for change in seen["changes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{_JOURNAL} is no journal of changes") from error

    def _sync(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_value(path: str | Path) -> str:
    """What a file of the kernel's says, stripped. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _LONGEST).decode("utf-8", "replace").strip()
    finally:
        os.close(file)


def write_value(path: str | Path, value: str) -> None:
    """Tell the kernel a value, in one piece as it wants it. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(file, value.encode() + b"\n")
    finally:
        os.close(file)


def _put_back(change: Change) -> Undone:
    """Someone else's value is left alone."""
    try:
        now = read_value(change.path)
        if now == change.old:
            return Undone(f"{change.path} is {change.old!r} as it was")
        # A copy of a kernel's file is empty where its writer died in the middle.
        if now and now != change.new:
            return Undone(f"{change.path} left at {now!r}: someone else has set it since")
        write_value(change.path, change.old)
    except FileNotFoundError:
        return Undone(f"{change.path} is gone, and with it the change")
    except OSError as error:
        words = f"{change.path} not put back to {change.old!r}: {error.strerror}"
        return Undone(words, settled=False)
    return Undone(f"{change.path} put back to {change.old!r}")
