"""Inferences timed by the clock of the device that computes them, in addition to wall time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lpnet_agent.measure.statistics import Values

_MIN_RUNS, _MAX_RUNS = 3, 20
_WALL_RUNS_PER_DEVICE_RUN = 5


def measure_device_times(
    device_ms: Callable[[], float], wait: Callable[[], None], wall_runs: int
) -> Values:
    """Device times of a few inferences, ms: a fifth of `wall_runs`, between 3 and 20.

    They are separate runs: recording device events takes the host microseconds that must not
    count as wall time. `wait` is called before each.
    """
    times = []
    for _ in range(min(_MAX_RUNS, max(_MIN_RUNS, wall_runs // _WALL_RUNS_PER_DEVICE_RUN))):
        wait()
        times.append(device_ms())
    return np.array(times)
