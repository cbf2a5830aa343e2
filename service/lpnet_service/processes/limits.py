"""Limits of the operating system."""

from __future__ import annotations

import resource
from contextlib import suppress


def raise_open_files() -> int:
    """Allow as many open files as the hard limit does; children inherit it. Returns the limit.

    Every waiting agent is a connection, and the usual soft limit is 1,024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name a hard limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
