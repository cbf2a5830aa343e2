"""What all tests share: which of them are selected here, and how hypothesis searches."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.harness.loglines import as_before

# Machines that run tests are shared: a slow example says nothing about the code.
settings.register_profile(
    "lpnet", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("lpnet")


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out (not skip) what needs a GPU or the latency tables where there is none."""
    absent = set()
    if not os.environ.get("LPNET_DATA"):
        absent.add("tables")
    if any(item.get_closest_marker("cuda") for item in items) and not _has_gpu():
        absent.add("cuda")
    left_out = [item for item in items if any(item.get_closest_marker(m) for m in absent)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
