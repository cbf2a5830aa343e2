"""A lease in hand: what its job has come to so far, and the beats that keep it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from lpnet.errors import ApiError, LeaseLost, NotFound, ServerUnreachable
from lpnet.http import Http
from lpnet.schemas.campaign import Heartbeat, ItemFailure, Lease
from lpnet.schemas.sample import Sample
from lpnet_agent.measure.job import ItemResult
from lpnet_agent.serve.spool import Parcel

log = structlog.get_logger()

_REASON = 2000


@dataclass(frozen=True)
class GivenUp:
    """Why a job was not finished; `postponed` where nothing was wrong with it."""

    reason: str
    postponed: bool = False


class Results:
    """What a lease has come to so far. Samples are proven once a check of the device that was
    made after them found it as it was."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._proven = 0
        self.samples: list[Sample] = []
        self.failures: list[ItemFailure] = []

    def __len__(self) -> int:
        return len(self.samples) + len(self.failures)

    def add(self, result: ItemResult) -> None:
        if result.sample is not None:
            self.samples.append(result.sample)
        else:
            reason = (result.reason or "unknown")[:_REASON]
            self.failures.append(
                ItemFailure(
                    item=str(result.item.id), reason=reason, out_of_memory=result.out_of_memory
                )
            )

    def prove(self) -> None:
        """The device is as it was: the samples so far stand."""
        self._proven = len(self.samples)

    def drop_unproven(self) -> int:
        """Leave out the samples since then; how many there were."""
        dropped = len(self.samples) - self._proven
        del self.samples[self._proven :]
        return dropped

    def parcel(self, given_up: GivenUp | None) -> Parcel:
        return Parcel(
            token=self._lease.token,
            target=self._lease.target,
            samples=tuple(self.samples),
            failures=tuple(self.failures),
            given_up=given_up and given_up.reason[:_REASON],
            postponed=given_up is not None and given_up.postponed,
        )


class Pulse:
    """Keeps a lease alive between workloads: a beat whenever a third of its time has passed."""

    def __init__(self, http: Http, lease: Lease) -> None:
        self._http = http
        self._lease = lease
        self._last = time.monotonic()
        self.lost = False

    def beat(self, measured: int) -> bool:
        """False once someone else may hold the job."""
        if self.lost:
            return False
        if time.monotonic() - self._last < self._lease.expires_s / 3:
            return True
        self._last = time.monotonic()
        try:
            self._http.post(
                f"/v1/leases/{self._lease.token}/heartbeat", Heartbeat(measured=measured)
            )
        except (LeaseLost, NotFound):
            log.warning("lease lost", request_id=self._http.request_id)
            self.lost = True
        except (ServerUnreachable, ApiError) as error:
            # The job goes on: its results are welcome even if the lease runs out meanwhile.
            log.warning("heartbeat failed", why=str(error), request_id=self._http.request_id)
        return not self.lost
