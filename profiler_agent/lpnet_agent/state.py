"""The folder that holds what outlives an agent: results, spaces, its lock and its identity."""

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

from lpnet_agent.errors import SetupError
from lpnet_agent.files import PRIVATE, PRIVATE_FOLDER, remove_partial, write_atomically

_LOCK = "lock"
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
# Commands that check whether an agent runs (status, doctor) hold the lock for a very short time.
_LOCK_TIMEOUT_S = 0.5
_LOCK_RETRY_S = 0.02


class StateDir:
    """The state folder of one agent, locked while the object is entered.

    The kernel releases the lock of an agent that is killed. New folders are closed to other users.
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
            raise SetupError(f"state folder {self.path}: {error.strerror}") from error
        if not self._acquire_lock():
            os.close(self._lock)
            raise SetupError(
                f"state folder {self.path}: another agent uses it; choose another folder with "
                "--state-dir"
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

    def _acquire_lock(self) -> bool:
        end = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(_LOCK_RETRY_S)
            else:
                return True

    def seat(self, root: Path = Path("/")) -> str:
        """An id of this folder, on this machine, since its last boot. The folder must be entered.

        The lock allows one agent per seat at a time. A copy of the folder, here or on another
        machine, is another seat.
        """
        lock = os.fstat(self._lock)
        try:
            boot = (root / "proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:  # not Linux, or hidden
            boot = platform.node()
        return hashlib.sha256(f"{boot} {lock.st_dev} {lock.st_ino}".encode()).hexdigest()[:32]

    def machine_id(self) -> str:
        """The random id of this machine, created on first use. The folder must be entered.

        It is not derived from the hardware, which copies of a virtual machine share. Raises
        SetupError if the file contains something else.
        """
        path = self.path / "machine-id"
        if not path.exists():
            write_atomically(path, secrets.token_hex(16).encode())
        machine_id = path.read_bytes().decode("ascii", "replace").strip()
        if not _MACHINE_ID.fullmatch(machine_id):
            raise SetupError(
                f"{path}: not a machine id; delete the file, and give this device another name "
                "with --device"
            )
        return machine_id


def is_agent_running(state: Path) -> bool | None:
    """Whether an agent holds the lock of a state folder; None if no agent has ever used it.

    Only tries a shared lock, so that two such checks do not mistake each other for an agent.
    Raises SetupError if this user may not read the lock.
    """
    try:
        lock = os.open(state / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SetupError(
            f"state folder {state}: {error.strerror}, so whether an agent runs there is unknown; "
            "run the command as the user who owns the folder, or with sudo"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def count_spooled(folder: Path) -> int:
    """Number of results in a folder of a spool. Raises SetupError if it may not be read."""
    try:
        return sum(1 for path in folder.iterdir() if fnmatch(path.name, "[0-9]*.json"))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise SetupError(
            f"{folder}: {error.strerror}, so the number of results there is unknown"
        ) from error
