"""Results that wait on disk until the server has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import Field, ValidationError

from lpnet.errors import BadRequest, Conflict, LeaseLost, NotFound
from lpnet.http import Http
from lpnet.schemas.base import Name, Wire
from lpnet.schemas.campaign import Completion, ItemFailure, JobFailure
from lpnet.schemas.sample import IngestResult, Sample, SampleBatch
from lpnet_agent.files import write_atomically

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

    def __len__(self) -> int:
        return len(self._waiting())

    def put(self, parcel: Parcel) -> None:
        """Keep a parcel; when this returns it survives a power cut."""
        path = self._folder / f"{self._next:012d}.json"
        write_atomically(path, parcel.model_dump_json(exclude_none=True).encode())
        self._next += 1

    def deliver(self, http: Http) -> int:
        """Deliver what waits; how many parcels were taken.

        A parcel that the server finds wrong is set aside. Raises what Http raises otherwise, with
        all that is not delivered still here; NotFound means that the server does not know the
        target: register again, then repeat.
        """
        delivered = 0
        for path, parcel in self._parcels():
            try:
                _deliver(parcel, http)
            except (BadRequest, Conflict) as error:
                self.set_aside(path, f"the server refuses it: {error}")
                continue
            path.unlink()
            delivered += 1
        return delivered

    def refuse_oldest(self, reason: str) -> None:
        """Set the oldest parcel aside, so that those behind it can go."""
        for path in self._waiting()[:1]:
            self.set_aside(path, reason)

    def set_aside(self, path: Path, reason: str) -> None:
        """Move a parcel that cannot be delivered where someone can look at it."""
        self._aside.mkdir(exist_ok=True)
        place = self._aside / path.name
        path.replace(place)
        place.with_suffix(".reason.txt").write_text(reason + "\n")
        log.error("results set aside", file=str(place), why=reason)

    def _parcels(self) -> Iterator[tuple[Path, Parcel]]:
        for path in self._waiting():
            try:
                yield path, Parcel.model_validate_json(path.read_bytes())
            except ValidationError as error:
                self.set_aside(path, f"it cannot be read: {error}")

    def _waiting(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0


def _deliver(parcel: Parcel, http: Http) -> None:
    if parcel.token is not None and parcel.given_up is None:
        try:
            done = Completion(samples=parcel.samples, failures=parcel.failures)
            http.post(f"/v1/leases/{parcel.token}/complete", done)
            return
        except (LeaseLost, NotFound):
            log.info("the lease is gone; its samples go on their own", lease=parcel.token)
    if parcel.samples:
        batch = SampleBatch(target=parcel.target, samples=parcel.samples)
        # Whoever has the job now measures the same items, under the same ids.
        answer = http.post("/v1/samples:batch", batch, params={"again": True}, idempotent=True)
        result = IngestResult.model_validate(answer)
        log.info("samples delivered", stored=result.stored, known=result.known)
    if parcel.token is not None and parcel.given_up is not None:
        failure = JobFailure(reason=parcel.given_up, postponed=parcel.postponed)
        try:
            http.post(f"/v1/leases/{parcel.token}/fail", failure)
        except (LeaseLost, NotFound):
            log.info("the lease was gone already", lease=parcel.token)
