"""A predictor trained on a comb, on one thread."""

from __future__ import annotations

import pytest
from tests.harness.comb_fixtures import one_thread, predictor, space, truth

from lpnet.model.base import LatencyModel
from lpnet.predictor.predictor import Predictor

__all__ = ["lpnet", "one_thread", "predictor", "space", "truth"]


@pytest.fixture(scope="session")
def lpnet(predictor: Predictor) -> LatencyModel:
    return predictor.lpnet
