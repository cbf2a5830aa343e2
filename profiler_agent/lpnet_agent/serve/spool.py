"""Results that are kept on disk until the server has them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import Field, ValidationError

from lpnet.errors import BadRequest, Conflict, LeaseLost, NotFound
from lpnet.http import Http
from lpnet.logs.secrets import lease_id
from lpnet.schemas.base import Name, Wire
from lpnet.schemas.campaign import Completion, ItemFailure, JobFailure
from lpnet.schemas.sample import IngestResult, Sample, SampleBatch
from lpnet_agent.errors import WriteFailed
from lpnet_agent.files import check_free_space, write_atomically
from lpnet_agent.serve.service_version import is_older_service

log = structlog.get_logger()


class SpooledResult(Wire):
    """The results of one lease, or samples without a lease.

    `given_up` is the reason if the job was not finished: its samples are delivered, and the job is
    returned to the server. `postponed`: nothing was wrong with that job.
    """

    token: str | None = None
    target: Name
    samples: tuple[Sample, ...] = ()
    failures: tuple[ItemFailure, ...] = ()
    given_up: str | None = Field(default=None, max_length=2000)
    postponed: bool = False


class Spool:
    """A folder of results, delivered in order.

    A result leaves the folder only when the server has processed it. Delivering it twice is
    harmless: the server stores every sample id once, and a lease can be completed once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder / "set-aside"
        # Including those set aside: a repeated number would overwrite a file there.
        paths = (*self._waiting(), *self._aside.glob("[0-9]*.json"))
        self._next = 1 + max(map(_number, paths), default=0)
        self._unwritten: list[SpooledResult] = []

    def __len__(self) -> int:
        return len(self._waiting()) + len(self._unwritten)

    def check_free_space(self) -> None:
        """Raises WriteFailed if no result can be written now."""
        self._write_pending()
        check_free_space(self._folder)

    def put(self, result: SpooledResult) -> None:
        """Add a result. When this returns, it survives a power cut if the disk accepts it.

        If the disk is full, it stays in memory until it can be written or delivered.
        """
        self._unwritten.append(result)
        try:
            self._write_pending()
        except WriteFailed as error:
            log.error("results are only in memory", results=len(self._unwritten), error=str(error))

    def _write_pending(self) -> None:
        while self._unwritten:
            path = self._folder / f"{self._next:012d}.json"
            content = self._unwritten[0].model_dump_json(exclude_none=True)
            write_atomically(path, content.encode())
            self._next += 1
            del self._unwritten[0]

    def deliver(self, http: Http) -> int:
        """Deliver everything; returns the number of delivered results.

        A result that the server rejects is set aside. If the server rejects it because it is
        older than this agent, the result stays and BadRequest is raised. Raises what Http raises
        otherwise, keeping all undelivered results. NotFound means that the server does not know
        the target: register again, then repeat.
        """
        with contextlib.suppress(WriteFailed):  # delivered from memory instead
            self._write_pending()
        delivered = 0
        for path, result in self._read_all():
            try:
                deliver(result, http)
            except (BadRequest, Conflict) as error:
                if isinstance(error, BadRequest) and is_older_service(error):
                    raise
                self.set_aside(path, f"the server rejected it: {error}")
                continue
            path.unlink()
            delivered += 1
        return delivered + self._deliver_unwritten(http)

    def _deliver_unwritten(self, http: Http) -> int:
        delivered = 0
        while self._unwritten:
            try:
                deliver(self._unwritten[0], http)
            except (BadRequest, Conflict) as error:
                if isinstance(error, BadRequest) and is_older_service(error):
                    raise
                self._drop_unwritten(f"the server rejected it: {error}")
                continue
            del self._unwritten[0]
            delivered += 1
        return delivered

    def _drop_unwritten(self, reason: str) -> None:
        samples = len(self._unwritten.pop(0).samples)
        log.error("results dropped: the disk is full", samples=samples, reason=reason)

    def refuse_oldest(self, reason: str) -> None:
        """Set the oldest result aside, so that later ones can be delivered."""
        waiting = self._waiting()
        if waiting:
            self.set_aside(waiting[0], reason)
        elif self._unwritten:
            self._drop_unwritten(reason)

    def set_aside(self, path: Path, reason: str) -> None:
        """Move an undeliverable result to a folder where a person can inspect it. Raises
        WriteFailed."""
        destination = self._aside / path.name
        try:
            self._aside.mkdir(exist_ok=True)
            path.replace(destination)
        except OSError as error:
            raise WriteFailed(f"cannot move {path} to {self._aside}: {error.strerror}") from error
        log.error("results set aside", file=str(destination), reason=reason)
        try:
            write_atomically(destination.with_suffix(".reason.txt"), f"{reason}\n".encode())
        except WriteFailed as error:
            log.error("the reason is only in this log", error=str(error))

    def _read_all(self) -> Iterator[tuple[Path, SpooledResult]]:
        for path in self._waiting():
            try:
                result = SpooledResult.model_validate_json(path.read_bytes())
            except (ValidationError, OSError) as error:
                self.set_aside(path, f"it cannot be read: {error}")
            else:
                yield path, result

    def _waiting(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0


def deliver(result: SpooledResult, http: Http) -> None:
    """Send one result to the server; repeating it is harmless. Raises what Http raises."""
    lease = result.token and lease_id(result.token)
    if result.token is not None and result.given_up is None:
        try:
            completion = Completion(samples=result.samples, failures=result.failures)
            http.post(f"/v1/leases/{result.token}/complete", completion)
            delivered = len(result.samples)
            log.info("job delivered", samples=delivered, lease=lease, request_id=http.request_id)
            return
        except (LeaseLost, NotFound):
            log.info("the lease expired; delivering its samples without it", lease=lease)
    if result.samples:
        batch = SampleBatch(target=result.target, samples=result.samples)
        # Whoever has the job now measures the same items, under the same ids.
        answer = http.post("/v1/samples:batch", batch, params={"again": True}, idempotent=True)
        ingested = IngestResult.model_validate(answer)
        log.info(
            "samples delivered",
            stored=ingested.stored,
            known=ingested.known,
            request_id=http.request_id,
        )
    if result.token is not None and result.given_up is not None:
        failure = JobFailure(reason=result.given_up, postponed=result.postponed)
        try:
            http.post(f"/v1/leases/{result.token}/fail", failure)
        except (LeaseLost, NotFound):
            log.info("the lease had already expired", lease=lease)
