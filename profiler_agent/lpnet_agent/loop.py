"""The agent's life: register, ask for work, measure it, deliver what came of it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import structlog

from lpnet.errors import (
    ApiError,
    BadRequest,
    Conflict,
    FileFormatError,
    LeaseLost,
    LpnetError,
    NotAllowed,
    NotFound,
    Unreachable,
)
from lpnet.http import Http
from lpnet.schemas.campaign import Heartbeat, ItemFailure, Lease, LeaseRequest
from lpnet.schemas.device import Registered, Registration
from lpnet.schemas.sample import Sample
from lpnet_agent.backoff import Backoff
from lpnet_agent.errors import BadSetup, Interrupted
from lpnet_agent.measure.job import Measured, Measurer, measure_all
from lpnet_agent.measure.messages import Item
from lpnet_agent.spaces import SpaceFiles
from lpnet_agent.spool import Parcel, Spool
from lpnet_agent.stop import Stop

log = structlog.get_logger()

# A long poll is answered when its time is over; this is for the answer to travel.
_POLL_SLACK_S = 4.0
_REASON = 2000


class Agent:
    """One agent of one target. `http` should not try again by itself: the agent does."""

    def __init__(
        self,
        http: Http,
        registration: Registration,
        measurer: Measurer,
        spool: Spool,
        spaces: SpaceFiles,
        stop: Stop,
        poll_s: float,
    ) -> None:
        self._http = http
        self._registration = registration
        self._measurer = measurer
        self._spool = spool
        self._spaces = spaces
        self._stop = stop
        self._poll_s = poll_s
        self._id: str | None = None

    def run(self) -> None:
        """Work until the end is asked for.

        A server that is gone or fails is waited for. Raises NotAllowed, BadRequest or BadSetup
        where waiting cannot help; what was measured is on disk by then.
        """
        backoff = Backoff()
        reachable = True
        while not self._stop.is_set():
            try:
                self._turn()
                backoff.reset()
                reachable = True
            except (NotAllowed, BadRequest):
                raise
            except (Unreachable, ApiError) as error:
                reachable = isinstance(error, ApiError)
                if isinstance(error, NotFound):
                    self._id = None  # the server has a new database: say again who this is
                wait_s = backoff.next()
                log.warning("waiting for the server", seconds=round(wait_s, 1), why=str(error))
                self._stop.wait(wait_s)
        self._take_leave(reachable)

    def _turn(self) -> None:
        if self._id is None:
            self._id = self._register()
        self._deliver()
        lease = self._ask_for_work(self._id)
        if lease is not None:
            self._work(lease)

    def _register(self) -> str:
        try:
            answer = self._http.post("/v1/agents", self._registration, idempotent=True)
        except Conflict as error:
            raise BadSetup(str(error)) from error
        agent = Registered.model_validate(answer).agent
        names = [target.name for target in self._registration.targets]
        log.info("registered", server=self._http.base_url, agent=agent, targets=names)
        return agent

    def _deliver(self) -> None:
        try:
            self._spool.deliver(self._http)
        except NotFound:
            self._id = self._register()
            try:
                self._spool.deliver(self._http)
            except NotFound as error:
                self._spool.refuse_oldest(f"the server refuses it: {error}")

    def _ask_for_work(self, agent: str) -> Lease | None:
        names = tuple(target.name for target in self._registration.targets)
        answer = self._http.post(
            f"/v1/agents/{agent}/leases",
            LeaseRequest(targets=names, wait_s=self._poll_s),
            timeout=self._poll_s + _POLL_SLACK_S,
        )
        return None if answer is None else Lease.model_validate(answer)

    def _work(self, lease: Lease) -> None:
        """Measure a job; whatever comes of it is on disk when this returns."""
        try:
            files = {
                wanted: self._spaces.path(wanted)
                for wanted in {item.workload.space for item in lease.items}
            }
        except LpnetError as error:
            self._spool.put(_Results(lease).parcel(str(error)))
            if isinstance(error, NotFound | FileFormatError):
                return
            raise
        log.info("job", job=lease.job, workloads=len(lease.items), fresh=lease.fresh_session)
        results = _Results(lease)
        given_up: str | None = "the agent failed"
        try:
            if lease.fresh_session:
                self._measurer.renew()
            given_up = self._measure(lease, files, results)
        except (Interrupted, BadSetup) as error:
            given_up = str(error)
            if isinstance(error, BadSetup):
                raise
        finally:
            self._spool.put(results.parcel(given_up))

    def _measure(self, lease: Lease, files: dict[str, Path], results: _Results) -> str | None:
        """Measure what the lease holds; why it was not finished, or None."""
        pulse = _Pulse(self._http, lease)
        items = [Item.model_validate(item.model_dump()) for item in lease.items]
        for result in measure_all(
            self._measurer,
            items,
            lambda item: files[item.workload.space],
            lambda: not self._stop.is_set() and pulse.beat(len(results.samples)),
            np.random.default_rng(),
        ):
            results.add(result)
        if len(results) == len(items):
            return None
        return "the lease was lost" if pulse.lost else "the agent was asked to end"

    def _take_leave(self, reachable: bool) -> None:
        if reachable and len(self._spool):
            try:
                self._spool.deliver(self._http)
            except (Unreachable, ApiError) as error:
                log.warning("not delivered; it will be later", why=str(error))
        log.info("ended", undelivered=len(self._spool))


class _Results:
    """What a lease has come to so far."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.samples: list[Sample] = []
        self.failures: list[ItemFailure] = []

    def __len__(self) -> int:
        return len(self.samples) + len(self.failures)

    def add(self, result: Measured) -> None:
        if result.sample is not None:
            self.samples.append(result.sample)
        else:
            reason = (result.reason or "unknown")[:_REASON]
            self.failures.append(ItemFailure(item=str(result.item.id), reason=reason))

    def parcel(self, given_up: str | None) -> Parcel:
        return Parcel(
            token=self._lease.token,
            target=self._lease.target,
            samples=tuple(self.samples),
            failures=tuple(self.failures),
            given_up=given_up and given_up[:_REASON],
        )


class _Pulse:
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
            log.warning("lease lost", job=self._lease.job)
            self.lost = True
        except (Unreachable, ApiError) as error:
            # The job goes on: its results are welcome even if the lease runs out meanwhile.
            log.warning("heartbeat failed", why=str(error))
        return not self.lost
