"""Seeds of everything that draws, and the order of the tests: `pytest --seed 7 --shuffle`.

Every fixture and every test begins with the same state of `random`, numpy and torch, so that what
one of them draws depends on the seed alone, and not on what ran before it.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import hypothesis
import numpy as np
import pytest

DEFAULT = 0


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("lpnet")
    group.addoption("--seed", type=int, default=DEFAULT, help="Seed of every test that draws.")
    group.addoption("--shuffle", action="store_true", help="Run files and tests in drawn order.")


class Seeds:
    """A plugin that seeds before every file, fixture and test."""

    def __init__(self, config: pytest.Config) -> None:
        self._seed: int = config.getoption("--seed")
        self._shuffle: bool = config.getoption("--shuffle")
        self._torch: _Torch | None = None
        if config.getoption("--hypothesis-seed") is None:
            hypothesis.core.global_force_seed = self._seed

    def pytest_report_header(self) -> str:
        order = "a drawn order" if self._shuffle else "the order of the files"
        return f"seed: {self._seed}, tests in {order} (--seed N, --shuffle)"

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        if isinstance(collector, pytest.Module):
            self._reset()

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self) -> None:
        self._reset()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self) -> None:
        self._reset()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Shuffle the files, and the tests within each: fixtures of a file are still shared."""
        if not self._shuffle:
            return
        draw = random.Random(self._seed)
        files: dict[str, list[pytest.Item]] = {}
        for item in items:
            files.setdefault(str(item.path), []).append(item)
        order = list(files.values())
        draw.shuffle(order)
        for tests in order:
            draw.shuffle(tests)
        items[:] = [item for tests in order for item in tests]

    def _reset(self) -> None:
        random.seed(self._seed)
        np.random.seed(self._seed)
        torch = sys.modules.get("torch")
        # While it is being imported, torch lacks its functions.
        if torch is None or not hasattr(torch, "manual_seed"):
            return
        torch.manual_seed(self._seed)
        if self._torch is None:
            self._torch = _Torch(torch)
            hypothesis.register_random(self._torch)


class _Torch:
    """torch's generator as hypothesis seeds and restores it around every example."""

    def __init__(self, torch: Any) -> None:
        self.seed = torch.manual_seed
        self.getstate = torch.get_rng_state
        self.setstate = torch.set_rng_state
