"""Widths are checked, and the error names the one that is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lpnet.errors import WidthsError
from lpnet.space.axis import Axis, Segment, Width
from lpnet.space.space import Space
from lpnet.space.widths import vector

WIDTHS = (Width("a", 8, 1), Width("b", 12, 4))


@given(a=st.integers(1, 8), b=st.integers(1, 3))
def test_legal_widths_by_name_and_in_order(a: int, b: int) -> None:
    expected = [a, 4 * b]
    assert vector(WIDTHS, {"b": 4 * b, "a": a}).tolist() == expected
    assert vector(WIDTHS, expected).tolist() == expected
    assert vector(WIDTHS, np.array(expected, dtype=np.float32)).tolist() == expected
    assert vector(WIDTHS, expected).dtype == np.int64


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"a": 1}, "missing: b"),
        ({"a": 1, "b": 4, "c": 5}, "no width c"),
        ([1], "expected 2 widths, got 1"),
        ([1, 4, 4], "expected 2 widths, got 3"),
        ([0, 4], "a: 0 is outside 1 to 8"),
        ([9, 4], "a: 9 is outside 1 to 8"),
        ([-1, 4], "a: -1 is outside"),
        ([1, 6], "b: 6 is not a multiple of 4"),
        ([1.5, 4], "a: 1.5 is not a whole number"),
        ([math.nan, 4], "a: nan is not a finite number"),
        ([1, math.inf], "b: inf is not a finite number"),
        ([1, None], "b: None is not a number"),
        (["1", 4], "a: '1' is not a number"),
        ([True, 4], "a: True is not a number"),
        ("14", "numbers by name"),
        (None, "numbers by name, .* got NoneType None"),
        (5, "numbers by name, .* got int 5"),
        ({1, 4}, "got set"),
        (np.array(5), "numbers by name"),
        (torch.tensor(5), "got Tensor"),
        (np.ones((2, 2)), "a single vector of widths"),
        ([[1, 4]], "a single vector of widths"),
        (torch.tensor([1.0, math.nan]), "b: nan is not a finite number"),
        (torch.tensor([1.0, 6.0]), "b: 6 is not a multiple of 4"),
    ],
)
def test_what_is_wrong_is_named(widths: object, message: str) -> None:
    with pytest.raises(WidthsError, match=message):
        vector(WIDTHS, widths)  # type: ignore[arg-type]


def test_every_method_checks(residual: Space) -> None:
    for method in (
        residual.ops,
        residual.macs,
        residual.params,
        residual.concrete,
        residual.named,
    ):
        with pytest.raises(WidthsError, match="stem: 9 is outside 1 to 8"):
            method([9, 12, 20])


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float64])
def test_a_tensor_is_widths_too(dtype: torch.dtype, residual: Space) -> None:
    """Such as a predictor gives."""
    tensor = torch.tensor([4, 6, 10], dtype=dtype, requires_grad=dtype.is_floating_point)
    widths = [4, 6, 10]
    assert residual.vector(tensor).tolist() == widths
    assert residual.named(tensor) == residual.named(widths)
    assert residual.macs(tensor) == residual.macs(widths)
    assert residual.params(tensor) == residual.params(widths)
    assert residual.ops(tensor) == residual.ops(widths)
    assert residual.concrete(tensor) == residual.concrete(widths)


def test_macs_of_no_widths_is_a_clear_error(residual: Space) -> None:
    with pytest.raises(WidthsError, match="got int 5"):
        residual.macs(5)  # type: ignore[arg-type]


def test_named_is_in_order(residual: Space) -> None:
    assert list(residual.named([1, 2, 3]).items()) == [("stem", 1), ("expand", 2), ("fc1", 3)]
    assert residual.dense.tolist() == [8, 12, 20]


def test_a_space_without_widths_takes_none(space_of: Callable[..., Space]) -> None:
    space = space_of(nn.Conv2d(3, 4, 3))
    assert space.widths == ()
    assert space.macs([]) == space.macs({}) == 3 * 4 * 9 * 14 * 14


def test_axes_lie_segments_side_by_side() -> None:
    """The general form, which concatenation will need."""
    axis = Axis((Segment("a", 3, 2), Segment(None, 2), Segment("b", 4), Segment("a", 3)))
    assert axis.dense == 6 + 2 + 4 + 3
    assert axis.label() == "3*a+b+2"
    assert axis.count({"a": 2, "b": 1}) == 4 + 2 + 1 + 2
    assert axis.kept({"a": [0, 2], "b": [3]}) == [0, 1, 4, 5, 6, 7, 11, 12, 14]
    assert axis.repeat(2).count({"a": 2, "b": 1}) == 18
    assert Axis.constant(5).label() == "5"
