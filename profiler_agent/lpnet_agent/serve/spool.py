"""Results that wait on disk until the server has them."""

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
from lpnet_agent.errors import NotKept
from lpnet_agent.files import check_room, write_atomically
from lpnet_agent.serve.service_version import is_older

log = structlog.get_logger()


class Parcel(Wire):
    """What one lease came to, or samples without one. With `given_up` the job was not finished:
    its samples are delivered, and the job goes back for this reason; `postponed` if nothing went
    wrong with it."""

    token: str | None = None
    target: Name
    samples: tuple[Sample, ...] = ()
    failures: tuple[ItemFailure, ...] = ()
    given_up: str | None = Field(default=None, max_length=2000)
    postponed: bool = False


class Spool:
    """A folder of parcels, delivered in the order in which they came.

    A parcel leaves the folder only when the server has acted on it. Delivering one twice is
    harmless: samples carry ids that the server stores once, and a lease can be completed once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder / "set-aside"
        # Those set aside count too: a number given twice would put one parcel over another there.
        names = (*self._waiting(), *self._aside.glob("[0-9]*.json"))
        self._next = 1 + max(map(_number, names), default=0)
        self._loose: list[Parcel] = []

    def __len__(self) -> int:
        return len(self._waiting()) + len(self._loose)

    def check_room(self) -> None:
        """Raises NotKept where a parcel could not be kept: no job should be taken then."""
        self._write_loose()
        check_room(self._folder)

    def put(self, parcel: Parcel) -> None:
        """Keep a parcel; when this returns it survives a power cut, if the disk takes it.

        On a full disk it is kept in memory, until it can be written or is delivered.
        """
        self._loose.append(parcel)
        try:
            self._write_loose()
        except NotKept as error:
            log.error("results are only in memory", parcels=len(self._loose), why=str(error))

    def _write_loose(self) -> None:
        while self._loose:
            self._write(self._loose[0])
            del self._loose[0]

    def _write(self, parcel: Parcel) -> None:
        path = self._folder / f"{self._next:012d}.json"
        write_atomically(path, parcel.model_dump_json(exclude_none=True).encode())
        self._next += 1

    def deliver(self, http: Http) -> int:
        """Deliver what waits; how many parcels were taken.

        A parcel that the server finds wrong is set aside; one that it refuses because it is older
        than this agent stays, and raises BadRequest. Raises what Http raises otherwise, with
        all that is not delivered still here; NotFound means that the server does not know the
        target: register again, then repeat.
        """
        with contextlib.suppress(NotKept):  # they go from memory then
            self._write_loose()
        delivered = 0
        for path, parcel in self._parcels():
            try:
                hand_over(parcel, http)
            except (BadRequest, Conflict) as error:
                if isinstance(error, BadRequest) and is_older(error):
                    raise
                self.set_aside(path, f"the server refuses it: {error}")
                continue
            path.unlink()
            delivered += 1
        return delivered + self._deliver_loose(http)

    def _deliver_loose(self, http: Http) -> int:
        delivered = 0
        while self._loose:
            try:
                hand_over(self._loose[0], http)
            except (BadRequest, Conflict) as error:
                if isinstance(error, BadRequest) and is_older(error):
                    raise
                self._drop_loose(f"the server refuses it: {error}")
                continue
            del self._loose[0]
            delivered += 1
        return delivered

    def _drop_loose(self, reason: str) -> None:
        dropped = self._loose.pop(0)
        samples = len(dropped.samples)
        log.error("results dropped: no room to set them aside", samples=samples, why=reason)

    def refuse_oldest(self, reason: str) -> None:
        """Set the oldest parcel aside, so that those behind it can go."""
        waiting = self._waiting()
        if waiting:
            self.set_aside(waiting[0], reason)
        elif self._loose:
            self._drop_loose(reason)

    def set_aside(self, path: Path, reason: str) -> None:
        """Move a parcel that cannot be delivered where someone can look at it. Raises NotKept."""
        place = self._aside / path.name
        try:
            self._aside.mkdir(exist_ok=True)
            path.replace(place)
        except OSError as error:
            raise NotKept(f"cannot move {path} to {self._aside}: {error.strerror}") from error
        log.error("results set aside", file=str(place), why=reason)
        try:
            write_atomically(place.with_suffix(".reason.txt"), f"{reason}\n".encode())
        except NotKept as error:
            log.error("the reason is only in this log", why=str(error))

    def _parcels(self) -> Iterator[tuple[Path, Parcel]]:
        for path in self._waiting():
            try:
                parcel = Parcel.model_validate_json(path.read_bytes())
            except (ValidationError, OSError) as error:
                self.set_aside(path, f"it cannot be read: {error}")
            else:
                yield path, parcel

    def _waiting(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0


def hand_over(parcel: Parcel, http: Http) -> None:
    """Give one parcel to the server; repeating it is harmless. Raises what Http raises."""
    lease = parcel.token and lease_id(parcel.token)
    if parcel.token is not None and parcel.given_up is None:
        try:
            done = Completion(samples=parcel.samples, failures=parcel.failures)
            http.post(f"/v1/leases/{parcel.token}/complete", done)
            delivered = len(parcel.samples)
            log.info("job delivered", samples=delivered, lease=lease, request_id=http.request_id)
            return
        except (LeaseLost, NotFound):
            log.info("the lease is gone; its samples go on their own", lease=lease)
    if parcel.samples:
        batch = SampleBatch(target=parcel.target, samples=parcel.samples)
        # Whoever has the job now measures the same items, under the same ids.
        answer = http.post("/v1/samples:batch", batch, params={"again": True}, idempotent=True)
        result = IngestResult.model_validate(answer)
        log.info(
            "samples delivered",
            stored=result.stored,
            known=result.known,
            request_id=http.request_id,
        )
    if parcel.token is not None and parcel.given_up is not None:
        failure = JobFailure(reason=parcel.given_up, postponed=parcel.postponed)
        try:
            http.post(f"/v1/leases/{parcel.token}/fail", failure)
        except (LeaseLost, NotFound):
            log.info("the lease was gone already", lease=lease)
