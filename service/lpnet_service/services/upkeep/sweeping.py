"""Ends jobs and runs whose last permitted lease has expired.

The API calls this too, when a user or an agent asks: the worker may be away, or busy with a long
training.
"""

from __future__ import annotations

from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import JobRow, RunRow
from lpnet_service.repositories.leases import LeaseRepository
from lpnet_service.services.learning import runs
from lpnet_service.services.measuring import leasing
from lpnet_service.services.shared.context import Context


def sweep(ctx: Context) -> None:
    """Fail jobs and runs whose last permitted lease has expired, and end their campaigns.

    Writes nothing if there are none.
    """
    _clamp_future_times(ctx)
    leasing.sweep(ctx)
    runs.sweep(ctx)


@retried
def _clamp_future_times(ctx: Context) -> None:
    """Correct times after the clock was set back. Otherwise a lease would last, and work stay
    hidden, until the clock reaches them again."""
    now, settings = ctx.clock.now(), ctx.settings
    pause_s = max(
        settings.retry_s * settings.max_attempts,
        settings.disturbed_retry_s,
        settings.repeat_pause_s,
    )
    for row, lease_s in ((JobRow, settings.lease_s), (RunRow, settings.run_lease_s)):
        limits = {"lease_s": lease_s, "pause_s": pause_s}
        with ctx.db.read() as session:
            is_ahead = LeaseRepository(session, row).has_future_times(now=now, **limits)
        if is_ahead:
            with ctx.db.write() as session:
                LeaseRepository(session, row).clamp_future_times(now=now, **limits)
