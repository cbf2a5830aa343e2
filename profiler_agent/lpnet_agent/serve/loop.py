"""The agent's life: register, ask for work, measure it, deliver what came of it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import structlog

from lpnet.alive import AliveFile
from lpnet.errors import (
    ApiError,
    BadRequest,
    Conflict,
    DeviceBusy,
    FileFormatError,
    LpnetError,
    NotAllowed,
    NotFound,
    ServerUnreachable,
)
from lpnet.http import Http
from lpnet.logs import fields
from lpnet.logs.secrets import lease_id
from lpnet.schemas.campaign import Lease, LeaseRequest
from lpnet.schemas.device import Registered, Registration
from lpnet_agent.errors import BadSetup, Interrupted, NotKept
from lpnet_agent.measure.job import Measurer, measure_all
from lpnet_agent.measure.messages import Item
from lpnet_agent.sentinels.monitor import ShouldContinue
from lpnet_agent.serve import service_version
from lpnet_agent.serve.backoff import Backoff
from lpnet_agent.serve.condition_report import Reporter
from lpnet_agent.serve.held_lease import GivenUp, Pulse, Results
from lpnet_agent.serve.readiness import Gate, Standing
from lpnet_agent.serve.space_files import SpaceFiles
from lpnet_agent.serve.spool import Spool
from lpnet_agent.stop import Stop

log = structlog.get_logger()

# A long poll is answered when its time is over; this is for the answer to travel.
_POLL_SLACK_S = 4.0
# How often a folder that cannot be written is looked at.
_ROOM_S = 2.0
# The shortest pause between two looks at a device that is not ready.
_LEAST_S = 0.1


class Agent:
    """One agent of one target. `http` should not try again by itself: the agent does."""

    def __init__(
        self,
        http: Http,
        registration: Registration,
        measurer: Measurer,
        gate: Gate,
        reporter: Reporter,
        spool: Spool,
        spaces: SpaceFiles,
        stop: Stop,
        poll_s: float,
        takeover_s: float,
        alive: AliveFile | None = None,
    ) -> None:
        self._http = http
        self._registration = registration
        self._measurer = measurer
        self._gate = gate
        self._reporter = reporter
        self._spool = spool
        self._spaces = spaces
        self._stop = stop
        self._poll_s = poll_s
        self._takeover_s = takeover_s
        self._alive = alive or AliveFile(None)
        self._refused_since: float | None = None
        self._id: str | None = None

    def run(self) -> None:
        """Work until the end is asked for.

        A server that is gone, fails or is older is waited for. Raises NotAllowed, BadRequest or
        BadSetup where waiting cannot help; what was measured is on disk by then.
        """
        fields.begin(device=self._registration.device)
        backoff = Backoff()
        reachable = True
        while not self._stop.is_set():
            self._alive.touch()
            try:
                self._turn()
                backoff.reset()
                reachable = True
            except Interrupted:
                continue
            except NotAllowed as error:
                log.error("the server refuses this agent", why=error.detail, todo=self._todo())
                raise
            except BadRequest as error:
                if not service_version.is_older(error):
                    raise
                seconds = backoff.next()
                log.error(service_version.WORDS, kept=len(self._spool), why=str(error))
                self._wait_for_server(seconds)
            except NotKept as error:
                log.error("waiting for room", seconds=_ROOM_S, why=str(error))
                self._stop.wait(_ROOM_S)
            except (ServerUnreachable, ApiError) as error:
                asked_s = error.retry_after_s if isinstance(error, ApiError) else None
                reachable = isinstance(error, ApiError)
                if isinstance(error, NotFound | DeviceBusy):
                    # The server has a new database, or another agent in this one's place.
                    self._id = None
                seconds = max(backoff.next(), asked_s or 0.0)
                log.warning("waiting for the server", seconds=round(seconds, 1), why=str(error))
                self._wait_for_server(seconds)
        self._take_leave(reachable)

    def _todo(self) -> str:
        """What somebody has to do where the server does not let this agent in."""
        device = self._registration.device
        return (
            f"on the server: lpnet-service token create --name {device} --scope agent --device "
            f"{device}; here: put what it prints into the file that LPNET_TOKEN_FILE names"
        )

    def _turn(self) -> None:
        if self._id is None:
            self._id = self._register()
        standing = self._gate.ask()
        self._deliver()
        standing = self._with_room(self._report(self._id, self._with_room(standing)))
        if standing.state != "ready":
            self._stop.wait(min(standing.retry_s, self._reporter.wait_s()))
            return
        if self._stop.is_set():
            return
        lease = self._ask_for_work(self._id)
        if lease is None:
            return
        with fields.work(
            job=lease.job,
            lease=lease_id(lease.token),
            campaign=lease.campaign,
            target=lease.target,
        ):
            self._work(lease)

    def _with_room(self, standing: Standing) -> Standing:
        """The standing, or paused where results could not be kept: no job is taken then."""
        if standing.state == "ready":
            try:
                self._spool.check_room()
            except NotKept as error:
                return Standing("paused", str(error), _ROOM_S, cause="room")
        return standing

    def _wait_for_server(self, seconds: float) -> None:
        """Meanwhile the sentinels are looked at: what they say does not depend on a server."""
        end = time.monotonic() + seconds
        try:
            while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
                standing = self._gate.ask()
                ready = standing.state == "ready"
                self._stop.wait(left if ready else min(left, max(standing.retry_s, _LEAST_S)))
        except Interrupted:
            return

    def _register(self) -> str:
        try:
            # Without what is unknown: an older server knows fewer facts, and refuses others.
            said = self._registration.model_dump(mode="json", exclude_none=True)
            answer = self._http.post("/v1/agents", said, idempotent=True)
        except DeviceBusy as error:
            # After a power cut the one that is alive may be this one, before it.
            now = time.monotonic()
            self._refused_since = self._refused_since or now
            if now - self._refused_since < self._takeover_s:
                raise
            raise BadSetup(str(error)) from error
        except Conflict as error:
            raise BadSetup(str(error)) from error
        self._refused_since = None
        agent = Registered.model_validate(answer).agent
        self._reporter.forget()
        names = [target.name for target in self._registration.targets]
        fields.know(agent=agent)
        log.info(
            "registered",
            server=self._http.base_url,
            targets=names,
            request_id=self._http.request_id,
        )
        return agent

    def _report(self, agent: str, standing: Standing) -> Standing:
        """Report the standing; the one that holds after it."""
        cleared = self._reporter.report(agent, standing, self._gate.cleared)
        if cleared is None:
            return standing
        self._gate.clear(cleared)
        standing = self._gate.ask()
        self._deliver()
        self._reporter.report(agent, standing, self._gate.cleared)
        return standing

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
            LeaseRequest(targets=names, wait_s=self._poll_s, seat=self._registration.seat),
            timeout=self._poll_s + _POLL_SLACK_S,
        )
        return None if answer is None else Lease.model_validate(answer)

    def _work(self, lease: Lease) -> None:
        """Measure a job; whatever comes of it is on disk when this returns."""
        log.info(
            "job",
            workloads=len(lease.items),
            fresh=lease.fresh_session,
            request_id=self._http.request_id,
        )
        try:
            files = {
                wanted: self._spaces.path(wanted)
                for wanted in {item.workload.space for item in lease.items}
            }
        except LpnetError as error:
            why = GivenUp(str(error), postponed=isinstance(error, NotKept))
            self._spool.put(Results(lease).parcel(why))
            if isinstance(error, NotFound | FileFormatError):
                return
            raise
        results = Results(lease)
        given_up: GivenUp | None = GivenUp("the agent failed")
        try:
            if lease.fresh_session:
                self._measurer.renew()
            given_up = self._measure(lease, files, results)
        except Interrupted as error:
            given_up = GivenUp(str(error), postponed=True)
        except BadSetup as error:
            given_up = GivenUp(str(error))
            raise
        finally:
            self._spool.put(results.parcel(given_up))

    def _measure(self, lease: Lease, files: dict[str, Path], results: Results) -> GivenUp | None:
        """Measure what the lease holds; why it was not finished, or None."""
        pulse = Pulse(self._http, lease)

        def holds_on() -> bool:
            """A check of the device takes seconds, in which the lease is to be held."""
            self._alive.touch()
            pulse.beat(len(results.samples))
            return not self._stop.is_set()

        def goes_on() -> bool:
            self._alive.touch()
            return not self._stop.is_set() and pulse.beat(len(results.samples)) and leave.given()

        leave = _Leave(self._gate, results, holds_on)
        items = [Item.model_validate(item.model_dump()) for item in lease.items]
        with self._measurer.heartbeat(holds_on):
            for result in measure_all(
                self._measurer,
                items,
                lambda item: files[item.workload.space],
                goes_on,
                np.random.default_rng(),
            ):
                results.add(result)
        # Asked once more at the end: a drift spoils a job that is finished, too.
        if not self._stop.is_set():
            leave.given()
        if leave.refused is not None and leave.refused.drifted:
            dropped = results.drop_unproven()
            log.warning("samples dropped, to be taken again", samples=dropped)
        if len(results) == len(items):
            return None
        if leave.refused is not None:
            return GivenUp(leave.refused.reason or "not now", postponed=True)
        if pulse.lost:
            return GivenUp("the lease was lost")
        return GivenUp("the agent was asked to end", postponed=True)

    def _take_leave(self, reachable: bool) -> None:
        if reachable and len(self._spool):
            try:
                self._spool.deliver(self._http)
            except (ServerUnreachable, ApiError) as error:
                log.warning("not delivered; it will be later", why=str(error))
        timed = f"{self._measurer.timed_s:.1f}"
        log.info("ended", undelivered=len(self._spool), timed_s=timed)


class _Leave:
    """Asks the gate for leave to measure on; `refused` is the standing that refused it."""

    def __init__(self, gate: Gate, results: Results, should_continue: ShouldContinue) -> None:
        self._gate = gate
        self._results = results
        self._go_on = should_continue
        self.refused: Standing | None = None

    def given(self) -> bool:
        """False once it was refused. What was measured before a good check is proven."""
        if self.refused is None:
            standing = self._gate.ask(in_job=True, should_continue=self._go_on)
            if standing.state != "ready":
                self.refused = standing
            elif standing.proven:
                self._results.prove()
        return self.refused is None
