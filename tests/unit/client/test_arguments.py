"""What callers hand in: vectors of every kind, names in paths, wrong values in requests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lpnet.arguments import asking, segment, vectors
from lpnet.errors import (
    ApiError,
    BadRequest,
    Conflict,
    LeaseLost,
    LpnetError,
    NotCovered,
    WidthsError,
    api_error,
)
from lpnet.schemas.lpnet import NewStudy, PredictionRequest


@pytest.mark.parametrize(
    "given",
    [
        [3, 4],
        (3, 4),
        np.array([3, 4]),
        torch.tensor([3, 4]),
        [[3, 4]],
        np.array([[3, 4]]),
        [torch.tensor([3, 4])],
        (np.array([3, 4]),),
    ],
)
def test_one_vector_in_any_form(given: object) -> None:
    (found,) = vectors(given)
    assert list(found) == [3, 4]


def test_vectors_by_name_and_several_at_once() -> None:
    assert vectors({"a": 1}) == [{"a": 1}]
    assert vectors([{"a": 1}, {"a": 2}]) == [{"a": 1}, {"a": 2}]
    assert vectors(torch.tensor([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]


@pytest.mark.parametrize("given", [None, 5, "abc", [], torch.tensor(3)])
def test_what_is_no_vector_is_refused(given: object) -> None:
    with pytest.raises(WidthsError):
        vectors(given)


def test_a_name_stays_one_segment() -> None:
    assert segment("../spaces") == "..%2Fspaces"
    assert segment("amd-epyc_1.0") == "amd-epyc_1.0"


def test_a_wrong_value_names_its_field() -> None:
    with pytest.raises(LpnetError, match="samples"), asking():
        NewStudy(samples=1)
    with pytest.raises(WidthsError, match=r"widths\.0"), asking():
        PredictionRequest(target="t", space="0" * 64, widths=((float("nan"),),))


@pytest.mark.parametrize(
    ("code", "status", "kinds"),
    [
        ("widths_error", 422, (BadRequest, WidthsError)),
        ("not_covered", 409, (Conflict, NotCovered)),
        ("lease_lost", 409, (LeaseLost,)),
        ("anything", 422, (BadRequest,)),
    ],
)
def test_a_problem_becomes_the_class_that_a_local_error_has(
    code: str, status: int, kinds: tuple[type[LpnetError], ...]
) -> None:
    error = api_error(status, code, "the detail")
    assert isinstance(error, ApiError)
    for kind in kinds:
        assert isinstance(error, kind)
    assert "the detail" in str(error)
    assert error.status == status
