"""From what fitted and what did not to where networks stop fitting."""

from __future__ import annotations

import pytest

from lpnet.schemas.memory import MemoryLimits
from lpnet.space.memory import MIB
from lpnet_service.services.shared.memory import limits_between

ONE_MIB = MIB / 4


@pytest.mark.parametrize(
    ("measured", "failed", "fits", "fails"),
    [
        ([3, 1, 2], [8, 5], 2 + 1, 5),
        ([], [5], None, 5),
        # One that is larger fitted: the small failure says nothing.
        ([3, 9], [5, 12], 9, 12),
    ],
)
def test_the_least_failure_counts_and_what_fitted_below_it(
    measured: list[float], failed: list[float], fits: float | None, fails: float
) -> None:
    limits = limits_between([ONE_MIB * m for m in measured], [ONE_MIB * f for f in failed], 4)
    assert limits == MemoryLimits(fits_mib=fits, fails_mib=fails, element_bytes=4)


@pytest.mark.parametrize("failed", [[], [1.0], [2.0], [0.5, 2.0]])
def test_without_a_failure_beyond_what_fitted_there_is_no_limit(failed: list[float]) -> None:
    assert limits_between([1.0, 2.0], failed, 4) is None


def test_numbers_take_what_the_precision_says() -> None:
    limits = limits_between([ONE_MIB], [2 * ONE_MIB], 2)
    assert limits == MemoryLimits(fits_mib=0.5, fails_mib=1.0, element_bytes=2)
