"""The folder in which an agent keeps what must survive it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import secrets
import time
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Self

from lpnet_agent.errors import BadSetup
from lpnet_agent.files import PRIVATE, PRIVATE_FOLDER, remove_partial, write_atomically

_LOCK = "lock"
_MACHINE = re.compile(r"[0-9a-f]{32}")
# Whoever asks whether an agent runs (status, doctor) holds the lock for an instant.
_INSTANT_S = 0.5
_LOOK_S = 0.02


class StateDir:
    """One agent's folder, held for as long as the object is entered.

    The lock is the kernel's: an agent that is killed lets go of it. Folders that are made here are
    closed to other users.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = path / "spool"
        self.spaces = path / "spaces"
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            for folder in (self.path, self.spool, self.spaces):
                folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(self.path / _LOCK, flags, PRIVATE)
        except OSError as error:
            raise BadSetup(f"state folder {self.path}: {error.strerror}") from error
        if not self._locked():
            os.close(self._lock)
            raise BadSetup(
                f"state folder {self.path}: another agent uses it; give this one --state-dir"
            )
        for folder in (self.path, self.spool, self.spaces):
            remove_partial(folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)

    def _locked(self) -> bool:
        """Take the lock; False if somebody holds it for longer than an instant."""
        end = time.monotonic() + _INSTANT_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(_LOOK_S)
            else:
                return True

    def seat(self, root: Path = Path("/")) -> str:
        """Names this folder on this boot of this machine; the folder must be entered.

        The lock lets one agent live in a seat at a time. A copy of the folder is another seat,
        whether it is used here or on another machine.
        """
        lock = os.fstat(self._lock)
        try:
            boot = (root / "proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:  # no Linux, or hidden
            boot = platform.node()
        place = f"{boot} {lock.st_dev} {lock.st_ino}"
        return hashlib.sha256(place.encode()).hexdigest()[:32]

    def machine(self) -> str:
        """A random id of this machine, made the first time; the folder must be entered.

        It is not read off the hardware: copies of a virtual machine share what is there.
        Raises BadSetup for a file that holds something else.
        """
        path = self.path / "machine-id"
        if not path.exists():
            write_atomically(path, secrets.token_hex(16).encode())
        found = path.read_bytes().decode("ascii", "replace").strip()
        if not _MACHINE.fullmatch(found):
            raise BadSetup(
                f"{path}: not the id of a machine; delete the file, and give this device another "
                "name by --device"
            )
        return found


def agent_runs(state: Path) -> bool | None:
    """Whether an agent holds the lock of a state folder; None: no agent has ever used it.

    The lock is tried for an instant only, and as a reader, so that two who look do not take each
    other for an agent. Raises BadSetup where this user may not know.
    """
    try:
        lock = os.open(state / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadSetup(
            f"state folder {state}: {error.strerror}, so whether an agent runs there is unknown; "
            "ask as the user whose folder it is, or with sudo"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def parcels(folder: Path) -> int:
    """How many parcels of results lie in a folder of a spool. Raises BadSetup where this user may
    not know."""
    try:
        return sum(1 for path in folder.iterdir() if fnmatch(path.name, "[0-9]*.json"))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise BadSetup(f"{folder}: {error.strerror}, so what waits there is unknown") from error
