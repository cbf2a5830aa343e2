"""Which tests are selected here, their seeds, and how hypothesis searches."""

from __future__ import annotations

import gc
import importlib.util
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.harness import budget, seeds
from tests.harness.loglines import as_before

# Machines that run tests are shared: a slow example says nothing about the code.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("quick", _COMMON, max_examples=budget.QUICK)
settings.register_profile("thorough", _COMMON, max_examples=budget.THOROUGH)
settings.load_profile("quick")

# Their tests start processes of their own and share hardly anything: each may go to any worker.
_SPREAD = [Path(__file__).parent / name for name in ("faults", "integration/agent")]
# Their files share a database that takes long to fill: one worker runs them all.
_TOGETHER = [Path(__file__).parent / "pages"]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up the logs of it."""
    with as_before():
        yield


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Agents without a folder of their own do not meet those of the other worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-home")))
        yield


def _has_tables() -> bool:
    return bool(os.environ.get("LPNET_DATA"))


def _has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _has_bf16() -> bool:
    from lpnet_agent.runtimes.torch import support

    return "bf16" in support.cpu().precisions


def _has_x86_64() -> bool:
    return platform.machine() == "x86_64"


# Markers of tests that need what not every machine has.
_NEEDS: Mapping[str, Callable[[], bool]] = {
    "tables": _has_tables,
    "cuda": _has_gpu,
    "bf16": _has_bf16,
    "x86_64": _has_x86_64,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    seeds.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(seeds.Seeds(config))


def pytest_collection_finish() -> None:
    """Keep the garbage collector off the modules and tests that stay until the end: a full
    collection walks millions of objects otherwise, and some code under test asks for one."""
    _freeze()


@pytest.fixture(scope="module", autouse=True)
def frozen_survivors() -> Iterator[None]:
    """Keep it off what the tests of a file leave behind, too."""
    yield
    _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out (not skip) what needs something that this machine lacks, and keep the tests of a
    file, which share fixtures, in one worker."""
    marked = {name for name in _NEEDS if any(item.get_closest_marker(name) for item in items)}
    absent = {name for name in marked if not _NEEDS[name]()}
    left_out = [item for item in items if any(item.get_closest_marker(m) for m in absent)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        folder = item.path.parent
        if folder not in _SPREAD:
            group = folder if folder in _TOGETHER else item.path
            item.add_marker(pytest.mark.xdist_group(str(group)))
