"""What inputs are filled with, and what is tried if a network rejects it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike

from lpnet_agent.runtimes.filling import candidates, random_input


def filled(dtype: DTypeLike) -> np.ndarray:
    return random_input((64, 64), dtype, np.random.default_rng(0))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_normally_distributed(dtype: str) -> None:
    values = filled(dtype)
    assert values.dtype == dtype
    assert values.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("int8", -128, 127)])
def test_bytes_are_those_of_images(dtype: str, low: int, high: int) -> None:
    values = filled(dtype)
    assert values.dtype == dtype
    assert (values.min(), values.max()) == (low, high)


@pytest.mark.parametrize(
    "dtype", ["int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"]
)
def test_other_integers_are_safe_indices(dtype: str) -> None:
    values = filled(dtype)
    assert values.dtype == dtype
    assert set(np.unique(values).tolist()) == {0, 1}


def test_only_integers_are_tried_with_other_values() -> None:
    rng = np.random.default_rng(0)
    image = random_input((2, 2), np.float32, rng)
    assert list(candidates({"x": image})) == [{"x": image}]
    tried = list(candidates({"x": image, "ids": random_input((9,), np.int64, rng)}))
    assert all(choice["x"] is image for choice in tried)
    assert [set(choice["ids"].tolist()) for choice in tried] == [{0, 1}, {1}, {0}]
    tried = list(candidates({"ids": random_input((99,), np.int8, rng)}))
    assert [len(set(choice["ids"].tolist())) > 2 for choice in tried] == [True, *[False] * 3]
    assert all(choice["ids"].dtype == np.int8 for choice in tried)
