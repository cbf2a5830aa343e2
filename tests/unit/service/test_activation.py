"""When a new version takes over."""

from __future__ import annotations

import pytest

from lpnet_service.worker.activation import not_worse


@pytest.mark.parametrize(
    ("new", "old", "takes_over"),
    [
        ([], [], True),
        ([0.10], [0.10], True),
        ([0.11], [0.10], False),
        ([0.09], [0.10], True),
        # Mean difference 0.01, standard error 0.01: within the noise.
        ([0.12, 0.10], [0.10, 0.10], True),
        # The same mean difference on every workload is no noise.
        ([0.11, 0.21, 0.31], [0.10, 0.20, 0.30], False),
        # Differences that are noisy on each side alone cancel in pairs.
        ([0.51, 0.11, 0.31, 0.912], [0.50, 0.10, 0.30, 0.90], False),
        ([0.50, 0.10, 0.30, 0.95], [0.50, 0.10, 0.30, 0.90], True),
    ],
)
def test_it_must_not_be_worse_within_the_paired_noise(
    new: list[float], old: list[float], takes_over: bool
) -> None:
    assert not_worse(new, old) is takes_over
