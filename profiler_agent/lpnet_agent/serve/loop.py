"""The main loop of an agent: register, request jobs, measure them, deliver the results."""

from __future__ import annotations

import time

import structlog

from lpnet.alive import AliveFile
from lpnet.errors import (
    ApiError,
    BadRequest,
    Conflict,
    DeviceBusy,
    NotAllowed,
    NotFound,
    ServerUnreachable,
)
from lpnet.http import Http
from lpnet.logs import fields
from lpnet.logs.secrets import lease_id
from lpnet.schemas.campaign import Lease, LeaseRequest
from lpnet.schemas.device import Registration, RegistrationResponse
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, SetupError, WriteFailed
from lpnet_agent.measure.job import Measurer
from lpnet_agent.serve.backoff import Backoff
from lpnet_agent.serve.condition_report import ConditionReporter
from lpnet_agent.serve.job_runner import JobRunner
from lpnet_agent.serve.readiness import Readiness, ReadinessCheck
from lpnet_agent.serve.service_version import OLDER_SERVICE, is_older_service
from lpnet_agent.serve.space_files import SpaceFiles
from lpnet_agent.serve.spool import Spool

log = structlog.get_logger()

# Time for the answer of a long poll to arrive, after the poll has ended.
_POLL_SLACK_S = 4.0
# How often to check whether a folder can be written again.
_DISK_RETRY_S = 2.0
# Minimum time between two checks of a device that is not ready.
_MIN_RETRY_S = 0.1


class Agent:
    """One agent of one target. `http` must not retry by itself: the agent does."""

    def __init__(
        self,
        http: Http,
        registration: Registration,
        measurer: Measurer,
        readiness: ReadinessCheck,
        reporter: ConditionReporter,
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
        self._readiness = readiness
        self._reporter = reporter
        self._spool = spool
        self._stop = stop
        self._poll_s = poll_s
        self._takeover_s = takeover_s
        self._alive = alive or AliveFile(None)
        self._jobs = JobRunner(http, measurer, readiness, spool, spaces, stop, self._alive)
        self._refused_since: float | None = None
        self._id: str | None = None
        self._was_registered = False

    def run(self) -> None:
        """Work until the agent is stopped.

        Waits for a server that is unreachable, fails, or is older than the agent. Raises
        NotAllowed, BadRequest or SetupError if waiting cannot help; all results are on disk by
        then.
        """
        fields.reset(device=self._registration.device)
        backoff = Backoff()
        reachable = True
        while not self._stop.is_set():
            self._alive.touch()
            try:
                self._run_once()
                backoff.reset()
                reachable = True
            except Interrupted:
                continue
            except NotAllowed as error:
                log.error("the server refuses this agent", error=error.detail, todo=self._advice())
                raise
            except BadRequest as error:
                if not is_older_service(error):
                    raise
                seconds = backoff.next()
                log.error(OLDER_SERVICE, undelivered=len(self._spool), error=str(error))
                self._wait_for_server(seconds)
            except WriteFailed as error:
                log.error("waiting for disk space", seconds=_DISK_RETRY_S, error=str(error))
                self._stop.wait(_DISK_RETRY_S)
            except (ServerUnreachable, ApiError) as error:
                requested_s = error.retry_after_s if isinstance(error, ApiError) else None
                reachable = isinstance(error, ApiError)
                if isinstance(error, NotFound | DeviceBusy):
                    # The server has a new database, or another agent has replaced this one.
                    self._id = None
                seconds = max(backoff.next(), requested_s or 0.0)
                log.warning("waiting for the server", seconds=round(seconds, 1), error=str(error))
                self._wait_for_server(seconds)
        self._finish(reachable)

    def _advice(self) -> str:
        device = self._registration.device
        return (
            f"on the server, run: lpnet-service token create --name {device} --scope agent "
            f"--device {device}; write the token that it prints to a file here, and set "
            "LPNET_TOKEN_FILE to the path of that file"
        )

    def _run_once(self) -> None:
        if self._id is None:
            self._id = self._register()
        readiness = self._readiness.check()
        self._deliver()
        readiness = self._check_disk(self._report(self._id, self._check_disk(readiness)))
        if readiness.state != "ready":
            self._stop.wait(min(readiness.retry_s, self._reporter.wait_s()))
            return
        if self._stop.is_set():
            return
        lease = self._request_lease(self._id)
        if lease is None:
            return
        with fields.bound(
            job=lease.job,
            lease=lease_id(lease.token),
            campaign=lease.campaign,
            target=lease.target,
        ):
            self._jobs.run(lease)

    def _check_disk(self, readiness: Readiness) -> Readiness:
        """The readiness, changed to paused while results cannot be written to disk."""
        if readiness.state == "ready":
            try:
                self._spool.check_free_space()
            except WriteFailed as error:
                return Readiness("paused", str(error), _DISK_RETRY_S, cause="room")
        return readiness

    def _wait_for_server(self, seconds: float) -> None:
        """Wait, and check the device meanwhile, whose condition does not depend on a server."""
        end = time.monotonic() + seconds
        try:
            while not self._stop.is_set() and (remaining_s := end - time.monotonic()) > 0:
                readiness = self._readiness.check()
                if readiness.state != "ready":
                    remaining_s = min(remaining_s, max(readiness.retry_s, _MIN_RETRY_S))
                self._stop.wait(remaining_s)
        except Interrupted:
            return

    def _register(self) -> str:
        try:
            # Without unknown facts: an older server rejects fields that it does not know.
            registration = self._registration.model_dump(mode="json", exclude_none=True)
            answer = self._http.post("/v1/agents", registration, idempotent=True)
        except DeviceBusy as error:
            # After a power cut, the other agent may be this one before the restart.
            now = time.monotonic()
            self._refused_since = self._refused_since or now
            if now - self._refused_since < self._takeover_s:
                raise
            raise SetupError(str(error)) from error
        except Conflict as error:
            raise SetupError(str(error)) from error
        except NotFound as error:
            if self._was_registered:
                raise  # a proxy whose server is away, for example
            raise SetupError(str(error)) from error
        self._refused_since = None
        self._was_registered = True
        agent = RegistrationResponse.model_validate(answer).agent
        self._reporter.forget()
        names = [target.name for target in self._registration.targets]
        fields.bind(agent=agent)
        log.info(
            "registered",
            server=self._http.base_url,
            targets=names,
            request_id=self._http.request_id,
        )
        return agent

    def _report(self, agent: str, readiness: Readiness) -> Readiness:
        """Report the readiness. If a person has cleared the target, check and report again."""
        cleared = self._reporter.report(agent, readiness, self._readiness.cleared)
        if cleared is None:
            return readiness
        self._readiness.clear(cleared)
        readiness = self._readiness.check()
        self._deliver()
        self._reporter.report(agent, readiness, self._readiness.cleared)
        return readiness

    def _deliver(self) -> None:
        try:
            self._spool.deliver(self._http)
        except NotFound:
            self._id = self._register()
            try:
                self._spool.deliver(self._http)
            except NotFound as error:
                self._spool.refuse_oldest(f"the server rejected it: {error}")

    def _request_lease(self, agent: str) -> Lease | None:
        names = tuple(target.name for target in self._registration.targets)
        answer = self._http.post(
            f"/v1/agents/{agent}/leases",
            LeaseRequest(targets=names, wait_s=self._poll_s, seat=self._registration.seat),
            timeout=self._poll_s + _POLL_SLACK_S,
        )
        return None if answer is None else Lease.model_validate(answer)

    def _finish(self, reachable: bool) -> None:
        if reachable and len(self._spool):
            try:
                self._spool.deliver(self._http)
            except (ServerUnreachable, ApiError) as error:
                log.warning("results not delivered; the next agent will try", error=str(error))
        timed = f"{self._measurer.timed_s:.1f}"
        log.info("ended", undelivered=len(self._spool), timed_s=timed)
