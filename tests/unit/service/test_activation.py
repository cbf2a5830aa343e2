"""When a new version takes over."""

from __future__ import annotations

import pytest

from lpnet_service.services.lpnets import not_worse


@pytest.mark.parametrize(
    ("new", "old", "noise", "takes_over"),
    [
        (5.0, None, None, True),
        (None, None, None, True),
        (None, 3.0, 1.0, False),
        (2.0, 3.0, None, True),
        (3.3, 3.0, None, True),
        (3.4, 3.0, None, False),
        (3.9, 3.0, 0.6, True),
        (4.0, 3.0, 0.6, False),
    ],
)
def test_it_must_not_be_worse_within_the_noise(
    new: float | None, old: float | None, noise: float | None, takes_over: bool
) -> None:
    assert not_worse(new, old, noise) is takes_over
