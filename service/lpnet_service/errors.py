"""Everything the service refuses on purpose; each becomes a problem document (RFC 9457).

ServiceError
+-- BadRequest            422  a value is wrong; `errors` names the fields
|   +-- WidthsError            the space does not have these widths
|   +-- SpaceError             the bytes are not a space
+-- Unauthenticated       401  no token, or one that is unknown, expired or revoked
+-- Forbidden             403  the token does not allow this
+-- NotFound              404  there is nothing of that name or id
+-- MethodNotAllowed      405  the path does not support this HTTP method
+-- Conflict              409  the request contradicts what is stored
|   +-- LeaseLost              another agent may hold the job now, or it is over
|   +-- NameTaken              another machine, device or import has this name
|   +-- DeviceBusy             another agent of this device is alive
|   +-- NoSamples              the target has no samples to train on
|   +-- NoLPNet                the target has no LPNet yet
|   +-- NotCovered             the LPNet was trained on no ops like these
|   +-- DoesNotFit             a network does not fit in the target's memory
+-- TooLarge              413  the request is larger than the service accepts
+-- TooManyRequests       429  the token has exceeded its request rate
+-- ServerFault           500  the service failed
+-- NotReady              503  the database is out of reach or not migrated
+-- NoArtifact            503  the store of LPNet files is out of reach
|   +-- DamagedArtifact        a file is missing or was changed
+-- DiskFull              507  the disk of the database is full
SetupError                     the service cannot start (not an answer over HTTP)

The `code` of a problem is the class name in snake case. The client raises the class of the same
name from `lpnet.errors`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lpnet.errors import problem_code
from lpnet.schemas.problem import FieldError

# A database that restarts is back within seconds.
_RETRY_AFTER_S = "2"


class ServiceError(Exception):
    """Base of all refusals; the message is written for the user."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = problem_code(cls)
        cls.title = cls.code.replace("_", " ").capitalize()

    def __init__(
        self,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class BadRequest(ServiceError):
    """A value is wrong; `errors` names the fields."""

    status = 422


class WidthsError(BadRequest):
    """The space does not have these widths."""


class SpaceError(BadRequest):
    """The bytes are not a space."""


class Unauthenticated(ServiceError):
    """The request has no token, or one that is unknown, expired or revoked."""

    status = 401

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ServiceError):
    """The token is valid and does not allow this."""

    status = 403


class NotFound(ServiceError):
    """There is nothing of that name or id."""

    status = 404

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"there is no {noun} {name!r}")


class MethodNotAllowed(ServiceError):
    """The path does not support this HTTP method."""

    status = 405


class Conflict(ServiceError):
    """The request contradicts the current state of the service."""

    status = 409


class LeaseLost(Conflict):
    """The lease was taken over, cancelled or ended."""

    def __init__(self) -> None:
        super().__init__(
            "this lease is over: it expired and was taken over, or its campaign was cancelled. "
            "Post the samples measured so far to POST /v1/samples:batch"
        )


class NameTaken(Conflict):
    """Another machine, device or import has this name."""


class DeviceBusy(Conflict):
    """Another agent of this device is alive."""

    def __init__(self, device: str) -> None:
        super().__init__(
            f"device {device!r} already has an agent, which uses another state folder or machine "
            "and was active just now. If these are two devices, one state folder is a copy of the "
            "other: delete the copy and choose another name with --device of lpnet-agent"
        )


class NoSamples(Conflict):
    """The target has no samples to train on."""


class NoLPNet(Conflict):
    """The target has no LPNet yet."""

    def __init__(self, target: str) -> None:
        super().__init__(f"target {target!r} has no LPNet yet: train one first")


class NotCovered(Conflict):
    """The LPNet was trained on no ops like these, so it does not predict them."""


class DoesNotFit(Conflict):
    """A network does not fit in the target's memory, and the request excludes such networks."""


class TooLarge(ServiceError):
    """The request is larger than the service accepts."""

    status = 413


class TooManyRequests(ServiceError):
    """The token has exceeded its request rate."""

    status = 429

    def __init__(self, per_s: float, wait_s: float) -> None:
        pause = max(1, math.ceil(wait_s))
        super().__init__(
            f"this token may send {per_s:g} requests a second; try again in {pause} s",
            headers={"Retry-After": str(pause)},
        )


class ServerFault(ServiceError):
    """The service failed."""

    status = 500


class NotReady(ServiceError):
    """The database is out of reach or not migrated."""

    status = 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": _RETRY_AFTER_S})


class NoArtifact(ServiceError):
    """The store of LPNet files is out of reach or refuses access."""

    status = 503


class DamagedArtifact(NoArtifact):
    """A file is missing or was changed, so it is not loaded."""

    def __init__(self, sha256: str, what: str) -> None:
        super().__init__(f"artifact {sha256} {what}")


class DiskFull(ServiceError):
    """The disk of the database is full."""

    status = 507

    def __init__(self) -> None:
        super().__init__(
            "nothing was stored: the disk that holds the database is full. Free space there; "
            "agents keep their samples and deliver them afterwards"
        )


class SetupError(Exception):
    """The service cannot start with its settings."""
