"""Arguments of the client: vectors of every kind, names in paths, wrong values in requests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lpnet.arguments import path_segment, translate_validation_errors, width_vectors
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
    "widths",
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
def test_one_vector_in_any_form(widths: object) -> None:
    (vector,) = width_vectors(widths)
    assert list(vector) == [3, 4]


def test_vectors_by_name_and_several_at_once() -> None:
    assert width_vectors({"a": 1}) == [{"a": 1}]
    assert width_vectors([{"a": 1}, {"a": 2}]) == [{"a": 1}, {"a": 2}]
    assert width_vectors(torch.tensor([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]


@pytest.mark.parametrize("widths", [None, 5, "abc", [], torch.tensor(3)])
def test_what_is_no_vector_is_refused(widths: object) -> None:
    with pytest.raises(WidthsError):
        width_vectors(widths)


def test_a_name_stays_one_segment() -> None:
    assert path_segment("../spaces") == "..%2Fspaces"
    assert path_segment("amd-epyc_1.0") == "amd-epyc_1.0"


def test_a_wrong_value_names_its_field() -> None:
    with pytest.raises(LpnetError, match="samples"), translate_validation_errors():
        NewStudy(samples=1)
    with pytest.raises(WidthsError, match=r"widths\.0"), translate_validation_errors():
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
