"""Two versions of an LPNet are compared on the workloads that both were tested with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lpnet.errors import LpnetError
from lpnet.schemas.residual import Residual, Residuals
from lpnet.schemas.workload import Kind
from lpnet.versions import compare_versions


def residual(number: int, error: float | None, kind: Kind = "block") -> Residual:
    return Residual(
        sample=f"sample-{number}",
        kind=kind,
        space=None,
        space_name=None,
        block=None,
        draw=None,
        ops=("conv2d",),
        measured_ms=1.0,
        predicted_ms=None if error is None else 1 + error / 100,
        error_pct=error,
        low_ms=None,
        high_ms=None,
    )


def residuals(items: Sequence[Residual], epoch: int = 1) -> Residuals:
    return Residuals(
        lpnet="lpnet-1",
        target="desk",
        epoch=epoch,
        coverage=0.9,
        workloads=len(items),
        complete=True,
        items=tuple(items),
        by_op=(),
        by_latency=(),
    )


def blocks(*errors: float | None) -> Residuals:
    return residuals([residual(number, error) for number, error in enumerate(errors)])


def test_a_version_is_better_if_it_errs_less_beyond_the_noise() -> None:
    (kind,) = compare_versions(blocks(5.0, -6.0, 5.5, -4.5), blocks(1.0, 2.0, -1.5, 0.5))
    assert (kind.kind, kind.workloads, kind.better, kind.uncovered) == ("block", 4, 2, 0)
    assert kind.first_mape_pct == pytest.approx(5.25)
    assert kind.second_mape_pct == pytest.approx(1.25)
    (other,) = compare_versions(blocks(1.0, 2.0, -1.5, 0.5), blocks(5.0, -6.0, 5.5, -4.5))
    assert other.better == 1


@pytest.mark.parametrize(
    ("first", "second"), [((5.0, 1.0, 3.0), (1.0, 5.0, 3.1)), ((5.0,), (1.0,))]
)
def test_what_noise_explains_makes_none_better(
    first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    (kind,) = compare_versions(blocks(*first), blocks(*second))
    assert kind.better is None


def test_workloads_that_one_does_not_cover_are_counted_apart() -> None:
    (kind,) = compare_versions(blocks(1.0, None, 2.0), blocks(1.0, 3.0, 2.0))
    assert (kind.workloads, kind.uncovered) == (2, 1)


def test_kinds_are_compared_apart() -> None:
    items = [residual(0, 1.0), residual(1, 2.0, "network")]
    kinds = compare_versions(residuals(items), residuals(items))
    assert [kind.kind for kind in kinds] == ["block", "network"]


def test_versions_of_two_epochs_are_refused() -> None:
    with pytest.raises(LpnetError, match=r"epoch 1 of 'desk'.*epoch 2 of 'desk'"):
        compare_versions(residuals([]), residuals([], epoch=2))
