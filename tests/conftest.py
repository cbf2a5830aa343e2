"""What all tests share: which of them are selected here, and how hypothesis searches."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.harness.loglines import as_before

# Machines that run tests are shared: a slow example says nothing about the code.
settings.register_profile(
    "lpnet", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("lpnet")


# Their tests start processes of their own and share hardly anything: each may go to any worker.
_SPREAD = [Path(__file__).parent / name for name in ("faults", "integration/agent")]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up the logs of it."""
    with as_before():
        yield


def _has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out (not skip) what needs a GPU or the latency tables where there is none, and keep
    the tests of a file, which share fixtures, in one worker."""
    absent = set()
    if not os.environ.get("LPNET_DATA"):
        absent.add("tables")
    if any(item.get_closest_marker("cuda") for item in items) and not _has_gpu():
        absent.add("cuda")
    left_out = [item for item in items if any(item.get_closest_marker(m) for m in absent)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.path.parent not in _SPREAD:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
