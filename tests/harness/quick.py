"""LPNets that are trained in a second: for tests that need one, and not a good one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def quick_training() -> Iterator[None]:
    """Trainings within the context, in this process, take the size of the learning curve's."""
    # Imported late: it imports torch.
    from lpnet_service.training.ensemble.fitting import QUICK

    with mock.patch("lpnet_service.training.ensemble.trainer.FULL", QUICK):
        yield
