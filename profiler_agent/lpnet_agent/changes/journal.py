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

from lpnet_agent.errors import NotKept
from lpnet_agent.files import PRIVATE, make_durable, write_atomically

CPUS = "sys/devices/system/cpu"

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
    """The journal in a state folder. Use it inside `locked` only.

    It names files to be written, by an agent that may be root. Files that are not the CPUs' below
    `root` are refused: whoever may write the folder need not be who may write those.
    """

    def __init__(self, state: Path, root: Path = Path("/")) -> None:
        self._cpus = root / CPUS
        self._path = state / _JOURNAL
        self._lock = state / _LOCK

    def exists(self) -> bool:
        return self._path.exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the journal; the kernel frees the lock of whoever dies."""
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def write(self, mark: str, changes: Sequence[Change]) -> None:
        """Say what is about to be changed; when this returns it survives a power cut.

        Raises NotKept.
        """
        content = json.dumps({"mark": mark, "changes": [asdict(change) for change in changes]})
        write_atomically(self._path, content.encode())

    def undo(self, mark: str | None = None) -> list[Undone]:
        """Put back what the journal says, if it bears this mark (None: any). What cannot be put
        back stays in the journal, for the next who tries.

        Raises ValueError for a file that is no journal, or not one of an agent's on this device;
        nothing is written then.
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
            with contextlib.suppress(NotKept):
                self.write(found[0], left)
        else:
            self._path.unlink()
            make_durable(self._path.parent)
        return [undone for _, undone in tried]

    def _read(self) -> tuple[str, list[Change]] | None:
        try:
            content = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            seen = json.loads(content)
            found = str(seen["mark"]), [Change(**change) for change in seen["changes"]]
            strange = [change.path for change in found[1] if not self._is_of_cpus(change.path)]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{_JOURNAL} is no journal of changes") from error
        if strange:
            raise ValueError(f"{_JOURNAL} names {strange[0]}, which no agent changes")
        return found

    def _is_of_cpus(self, name: str) -> bool:
        path = Path(name)
        # The folder is resolved: cores that share a clock have links to it.
        place = path.parent.resolve()
        return path.name != ".." and place.is_relative_to(self._cpus.resolve())


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
