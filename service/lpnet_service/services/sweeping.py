"""Ending what died: jobs and runs whose last permitted lease has expired.

The API does it too, where a user or an agent looks: the worker may be away, or in the middle of a
long training.
"""

from __future__ import annotations

from lpnet_service.services import leasing, runs
from lpnet_service.services.context import Context


def sweep(ctx: Context) -> None:
    """Fail such jobs and runs, and end their campaigns. Writes nothing where there are none."""
    leasing.sweep(ctx)
    runs.sweep(ctx)
