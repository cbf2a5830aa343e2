"""Fixtures of a small network, and a predictor trained on a comb: latency steps every 16 channels.

A conftest imports the ones that its tests use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.harness import comb

from lpnet.predictor.predictor import Predictor
from lpnet.space.space import Space
from lpnet.space.table import OpTable


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return comb.predictor()


@pytest.fixture(scope="session")
def space(predictor: Predictor) -> Space:
    return predictor.space


@pytest.fixture(scope="session")
def truth(space: Space) -> Any:
    """Widths (L,) to the comb's milliseconds."""
    return lambda widths: comb.comb_ms(OpTable.from_ops(space.ops(widths)))
