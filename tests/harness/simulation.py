"""A device whose latencies are computed, and trainings that take a second, for processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

_FOLDER = str(Path(__file__).parent / "simulated")


@contextmanager
def simulated_device() -> Iterator[None]:
    """Agents started within the context measure the device of `simulated/sitecustomize.py`, and
    services train LPNets of its size."""
    path = os.pathsep.join(filter(None, (_FOLDER, os.environ.get("PYTHONPATH"))))
    with mock.patch.dict(os.environ, {"PYTHONPATH": path}):
        yield
