"""Which cores a target is measured on, and which the agent keeps for itself."""

from __future__ import annotations

import os

from lpnet_agent.errors import BadSetup


def choose(threads: int) -> tuple[int, ...] | None:
    """As many cores as threads, the last ones this process may use: interrupts and everyone
    else gather on the first. None where processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise BadSetup(
            f"{threads} threads asked for, but only {len(allowed)} cores may be used here"
        )
    return tuple(allowed[-threads:])


def leave(cores: tuple[int, ...] | None) -> None:
    """Move this process off the measured cores, where it has others."""
    if cores is None:
        return
    others = os.sched_getaffinity(0) - set(cores)
    if others:
        os.sched_setaffinity(0, others)
