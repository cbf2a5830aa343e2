"""A core for each worker of pytest-xdist: their agents do not measure in each other's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_core() -> Iterator[None]:
    """Keep a worker, and what it starts, on its core; all cores are for tests that run alone."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    number = int(worker.removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(before)[number % len(before)]})
    yield
    os.sched_setaffinity(0, before)
