"""Networks whose statistics are not trivial, and a predictor taught on a comb."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tests.harness import comb
from torch import nn

from lpnet.predictor.predictor import Predictor
from lpnet.space.space import Space


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return comb.network()


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return comb.predictor()


@pytest.fixture(scope="session")
def space(predictor: Predictor) -> Space:
    return predictor.space
