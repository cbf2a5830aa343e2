"""The lock that a running agent holds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def agent_runs(state: Path) -> bool:
    """Whether an agent holds the lock of a state folder. It is tried for an instant only, and as
    a reader, so that two doctors do not take each other for an agent."""
    try:
        lock = os.open(state / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
