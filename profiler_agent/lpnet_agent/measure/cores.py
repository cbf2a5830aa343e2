"""Which cores a target is measured on, and which the agent runs on."""

from __future__ import annotations

import os

from lpnet_agent.errors import SetupError


def choose(threads: int) -> tuple[int, ...] | None:
    """The last allowed cores, one per thread. Interrupts and other processes gather on the first
    cores.

    None if processes cannot be pinned here. Raises SetupError if too few cores are allowed.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise SetupError(
            f"threads must be at most {len(allowed)}, the cores that this process may use, "
            f"got {threads}"
        )
    return tuple(allowed[-threads:])


def avoid(cores: tuple[int, ...] | None) -> None:
    if cores is None:
        return
    remaining = os.sched_getaffinity(0) - set(cores)
    if remaining:
        os.sched_setaffinity(0, remaining)
