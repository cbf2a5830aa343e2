"""Memory that was freed but is still held by the allocator."""

from __future__ import annotations

import ctypes
import sys


def release_freed_memory() -> None:
    """Return freed memory to the system. glibc keeps the memory of unloaded networks, which is a
    lot on a small board. Does nothing if the C library has no `malloc_trim`."""
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if malloc_trim is not None:
            malloc_trim(0)
