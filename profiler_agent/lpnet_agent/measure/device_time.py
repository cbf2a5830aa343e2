"""Inferences timed by the clock of the device that computes them, beside host wall time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lpnet_agent.measure.statistics import Values

_MOST, _LEAST = 20, 3
_SHARE = 5


def device_times(device_ms: Callable[[], float], wait: Callable[[], None], runs: int) -> Values:
    """Times of some inferences, ms: a fifth as many as the `runs` that were timed by the host,
    within reason.

    They are runs of their own: marking their ends costs the host microseconds that must not be
    in its wall time. `wait` is called before each.
    """
    found = []
    for _ in range(min(_MOST, max(_LEAST, runs // _SHARE))):
        wait()
        found.append(device_ms())
    return np.array(found)
