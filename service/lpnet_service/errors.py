"""Everything the service refuses on purpose; each becomes a problem document (RFC 9457).

ServiceError
+-- Unauthenticated  401 unauthenticated   no token, or none that is known and good
+-- Forbidden        403 forbidden       the token does not reach this
+-- TooManyRequests  429 too_many_requests  more than the token's share
+-- NotThere         404 not_found       no such thing
+-- Contradiction    409 conflict        what is asked contradicts what is stored
|   +-- LeaseLost    409 lease_lost      someone else may hold the job now, or it is over
|   +-- NameTaken    409 name_taken      another machine, device or import has that name
|   +-- DeviceBusy   409 device_busy     another agent of the device is alive
|   +-- NoSamples    409 no_samples      nothing to train on yet
|   +-- NoLPNet      409 no_lpnet        the target has no LPNet yet
|   +-- OutOfReach   409 not_covered     the LPNet has never seen ops like these
|   +-- TooLargeForTarget  409 does_not_fit  a network does not fit in the target's memory
+-- Invalid          422 invalid         a value is wrong; `errors` names the fields
|   +-- BadWidths    422 invalid_widths  widths that the space does not have
|   +-- BadSpace     422 invalid_space   the bytes are not a space
+-- TooLarge         413 too_large       more than the service takes at once
+-- NoRoom           507 no_room         the database cannot be written: its disk is full
+-- NotReady         503 not_ready       the database is out of reach, or behind its migrations
+-- NoArtifact       503 no_artifact     the store of LPNets' files is out of reach
    +-- DamagedArtifact  503 damaged_artifact  a file is gone, or is not what was written
SetupError           the service cannot start as asked (not an answer over HTTP)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lpnet.schemas.problem import FieldError


class ServiceError(Exception):
    """Base of all refusals; the message is written for the user."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "fault"
    title: ClassVar[str] = "The service failed"

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


class Unauthenticated(ServiceError):
    """Nobody is known by what was sent."""

    status, code, title = 401, "unauthenticated", "Unauthenticated"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ServiceError):
    """Whoever it is may not do this."""

    status, code, title = 403, "forbidden", "Forbidden"


class TooManyRequests(ServiceError):
    """More than the token's share."""

    status, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, per_s: float, wait_s: float) -> None:
        pause = max(1, math.ceil(wait_s))
        super().__init__(
            f"this token may send {per_s:g} requests a second; come back in {pause} s",
            headers={"Retry-After": str(pause)},
        )


class NotThere(ServiceError):
    """There is no such thing."""

    status, code, title = 404, "not_found", "Not found"

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"there is no {noun} {name!r}")


class Contradiction(ServiceError):
    """The request contradicts what the service holds now."""

    status, code, title = 409, "conflict", "Conflict"


class LeaseLost(Contradiction):
    """The lease was taken over, cancelled or ended."""

    code, title = "lease_lost", "Lease lost"

    def __init__(self) -> None:
        super().__init__(
            "this lease is over: it expired and was taken over, or its campaign was cancelled. "
            "Samples already taken are welcome at POST /v1/samples:batch"
        )


class NameTaken(Contradiction):
    """The name belongs to something else."""

    code, title = "name_taken", "Name taken"


class DeviceBusy(Contradiction):
    """A device has one agent, and another one of it is alive."""

    code, title = "device_busy", "Device busy"

    def __init__(self, device: str) -> None:
        super().__init__(
            f"device {device!r} has an agent already, which spoke a moment ago from another state "
            "folder or machine. If these are two devices, the state folder of one is a copy: "
            "delete the copy and choose another name by --device of lpnet-agent"
        )


class NoSamples(Contradiction):
    """There is nothing to train on."""

    code, title = "no_samples", "No samples"


class NoLPNet(Contradiction):
    """The target has no LPNet yet."""

    code, title = "no_lpnet", "No LPNet"

    def __init__(self, target: str) -> None:
        super().__init__(f"target {target!r} has no LPNet yet: train one first")


class OutOfReach(Contradiction):
    """The LPNet has never seen ops like these, so it gives no number."""

    code, title = "not_covered", "Not covered"


class TooLargeForTarget(Contradiction):
    """A network does not fit in the target's memory, and such were to be refused."""

    code, title = "does_not_fit", "Does not fit"


class Invalid(ServiceError):
    """A value is wrong."""

    status, code, title = 422, "invalid", "Invalid request"


class BadWidths(Invalid):
    """Widths that the space does not have."""

    code, title = "invalid_widths", "Invalid widths"


class BadSpace(Invalid):
    """The bytes are not a space."""

    code, title = "invalid_space", "Invalid space"


class TooLarge(ServiceError):
    """More than the service takes at once."""

    status, code, title = 413, "too_large", "Too large"


class NoRoom(ServiceError):
    """The database cannot be written."""

    status, code, title = 507, "no_room", "No room"

    def __init__(self) -> None:
        super().__init__(
            "nothing was stored: the disk that holds the database is full. Free space there; "
            "agents keep what they measured and deliver it then"
        )


class NotReady(ServiceError):
    """The database is out of reach or behind its migrations."""

    status, code, title = 503, "not_ready", "Not ready"


class NoArtifact(ServiceError):
    """The store of LPNets' files is out of reach, or refuses."""

    status, code, title = 503, "no_artifact", "No artifact"


class DamagedArtifact(NoArtifact):
    """A file is gone or was changed: it is not loaded."""

    code, title = "damaged_artifact", "Damaged artifact"

    def __init__(self, sha256: str, what: str) -> None:
        super().__init__(f"artifact {sha256} {what}")


class SetupError(Exception):
    """The service cannot start as it was asked to."""
