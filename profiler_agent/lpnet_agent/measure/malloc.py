"""Memory that was freed, and is still held."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Give what nobody uses any more back to the system: glibc keeps the room of networks that are
    gone, which is much for a small board. Does nothing where the C library cannot."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)
