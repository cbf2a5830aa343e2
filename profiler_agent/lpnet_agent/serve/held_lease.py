"""A lease that the agent holds: its results so far, and the heartbeat that keeps it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from lpnet.errors import ApiError, LeaseLost, NotFound, ServerUnreachable
from lpnet.http import Http
from lpnet.schemas.campaign import Heartbeat, ItemFailure, Lease
from lpnet.schemas.sample import Sample
from lpnet_agent.measure.job import ItemResult
from lpnet_agent.serve.spool import SpooledResult

log = structlog.get_logger()

_MAX_REASON = 2000


@dataclass(frozen=True)
class Unfinished:
    """Why a job was not finished; `postponed` if nothing was wrong with it."""

    reason: str
    postponed: bool = False


class LeaseResults:
    """Results of a lease so far.

    A sample is confirmed once a later check of the device has passed.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._confirmed = 0
        self.samples: list[Sample] = []
        self.failures: list[ItemFailure] = []

    def __len__(self) -> int:
        return len(self.samples) + len(self.failures)

    def add(self, result: ItemResult) -> None:
        if result.sample is not None:
            self.samples.append(result.sample)
        else:
            reason = (result.reason or "unknown")[:_MAX_REASON]
            self.failures.append(
                ItemFailure(
                    item=str(result.item.id), reason=reason, out_of_memory=result.out_of_memory
                )
            )

    def confirm(self) -> None:
        """Mark all samples so far as valid, because a check has passed."""
        self._confirmed = len(self.samples)

    def drop_unconfirmed(self) -> int:
        dropped = len(self.samples) - self._confirmed
        del self.samples[self._confirmed :]
        return dropped

    def to_spool(self, unfinished: Unfinished | None) -> SpooledResult:
        return SpooledResult(
            token=self._lease.token,
            target=self._lease.target,
            samples=tuple(self.samples),
            failures=tuple(self.failures),
            given_up=unfinished and unfinished.reason[:_MAX_REASON],
            postponed=unfinished is not None and unfinished.postponed,
        )


class LeaseHeartbeat:
    """Keeps a lease from expiring: sends a heartbeat after every third of its duration."""

    def __init__(self, http: Http, lease: Lease) -> None:
        self._http = http
        self._lease = lease
        self._sent_at = time.monotonic()
        self.lost = False

    def send_if_due(self, measured: int) -> bool:
        """Send a heartbeat if it is time. Returns False once the lease is lost."""
        if self.lost:
            return False
        if time.monotonic() - self._sent_at < self._lease.expires_s / 3:
            return True
        self._sent_at = time.monotonic()
        try:
            self._http.post(
                f"/v1/leases/{self._lease.token}/heartbeat", Heartbeat(measured=measured)
            )
        except (LeaseLost, NotFound):
            log.warning("lease lost", request_id=self._http.request_id)
            self.lost = True
        except (ServerUnreachable, ApiError) as error:
            # The job goes on: its results are accepted even if the lease expires meanwhile.
            log.warning("heartbeat failed", error=str(error), request_id=self._http.request_id)
        return not self.lost
