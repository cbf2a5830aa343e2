"""Op tables made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable

MakeTable = Callable[..., OpTable]


@pytest.fixture(scope="session")
def residual_table() -> MakeTable:
    """An inverted residual, ending in a pool and a linear op, at given channels."""

    def make(outer: int = 24, inner: int = 144, function: str = "relu6") -> OpTable:
        side = {"h": 28, "w": 28}
        window = {"kernel": (3, 3), "padding": (1, 1)}
        return OpTable.from_ops(
            [
                wire.Conv2d(c_in=outer, c_out=inner, kernel=(1, 1), **side),
                wire.Activation(c_in=inner, c_out=inner, function=function, **side),
                wire.Conv2d(c_in=inner, c_out=inner, groups=inner, **window, **side),
                wire.Activation(c_in=inner, c_out=inner, function=function, **side),
                wire.Conv2d(c_in=inner, c_out=outer, kernel=(1, 1), **side),
                wire.Add(c_in=outer, c_out=outer, inputs=(4, -1), **side),
                wire.Pool(c_in=outer, c_out=outer, mode="global", kernel=(28, 28), **side),
                wire.Flatten(c_in=outer, c_out=outer, h=1, w=1),
                wire.Linear(c_in=outer, c_out=10),
            ]
        )

    return make
