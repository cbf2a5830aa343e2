"""Ending what died: jobs and runs whose last permitted lease has expired.

The API does it too, where a user or an agent looks: the worker may be away, or in the middle of a
long training.
"""

from __future__ import annotations

from lpnet_service.db.rows import JobRow, RunRow
from lpnet_service.repositories.leases import LeaseRepository
from lpnet_service.services.learning import runs
from lpnet_service.services.measuring import leasing
from lpnet_service.services.shared.context import Context


def sweep(ctx: Context) -> None:
    """Fail such jobs and runs, and end their campaigns. Writes nothing where there are none."""
    _pull_back(ctx)
    leasing.sweep(ctx)
    runs.sweep(ctx)


def _pull_back(ctx: Context) -> None:
    """After the clock was set back: a lease may last a little longer for that, but not until the
    clock is there again, and no work is hidden until then."""
    now, settings = ctx.clock.now(), ctx.settings
    pause_s = max(settings.retry_s * settings.max_attempts, settings.disturbed_retry_s)
    for row, lease_s in ((JobRow, settings.lease_s), (RunRow, settings.run_lease_s)):
        with ctx.db.read() as session:
            ahead = LeaseRepository(session, row).has_future_times(
                now=now, lease_s=lease_s, pause_s=pause_s
            )
        if ahead:
            with ctx.db.write() as session:
                LeaseRepository(session, row).clamp_future_times(
                    now=now, lease_s=lease_s, pause_s=pause_s
                )
