"""Everything lpnet raises on purpose.

LpnetError
+-- SpaceError               a model or graph cannot become a space
|   +-- UnsupportedOp        the graph holds an op (or a coupling) that lpnet does not know
+-- WidthsError (ValueError) widths out of range, off granule, NaN, missing, or of the wrong length
+-- NotCovered               the LPNet was trained on no op like one of this space
+-- BudgetTooSmall           no widths of the space are within a latency budget
+-- DoesNotFit               a network takes more memory than its target has
|   +-- NothingFits          no widths of the space fit in the target's memory
+-- TooDisturbed             most samples of a campaign are disturbed, so it was stopped
+-- FileFormatError          a space, LPNet or samples file cannot be read
+-- MissingExtra             a command needs an extra that is not installed
+-- ServerUnreachable        no answer from the server at all
+-- ApiError                 the server answered with a problem (RFC 9457)
    +-- BadRequest           400, 413, 415, 422
    |   +-- TooLarge         more than the server takes in one request
    +-- NotAllowed           401, 403
    |   +-- Unauthenticated  no token, or an unknown, expired or revoked one
    |   +-- Forbidden        the token does not allow this
    +-- NotFound             404
    +-- MethodNotAllowed     405
    +-- Conflict             409, 412
    |   +-- LeaseLost        another agent may hold the job now
    |   +-- NameTaken        another machine, device or import has this name
    |   +-- DeviceBusy       another agent of this device is alive
    |   +-- NoSamples        the target has no samples to train on
    |   +-- NoLPNet          the target has no LPNet yet
    +-- TooManyRequests      429; `retry_after_s` says when to come back
    +-- ServerFault          5xx
        +-- DiskFull         507: the disk of the server's database is full
        +-- NotReady         503: the database is out of reach or not migrated
        +-- NoArtifact       503: the store of LPNet files is out of reach
            +-- DamagedArtifact  an LPNet file is missing or was changed

The `code` of a problem is the class name in snake case: `lease_lost` raises LeaseLost. SpaceError,
WidthsError, NotCovered and DoesNotFit arrive over the wire too: such an error is of that class and
of BadRequest or Conflict, so `except NotCovered` catches both the local and the remote one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lpnet.installation import install_command


class LpnetError(Exception):
    """Base of all errors that lpnet raises on purpose; the message is written for the user."""


class SpaceError(LpnetError):
    """A model or graph cannot become a space, or a space does not support an operation."""


class UnsupportedOp(SpaceError):
    """The graph holds an op, or couples channels in a way, that lpnet does not know.

    `node` is the name of the node in the graph and `op` its ONNX op type.
    """

    def __init__(self, node: str, op: str, reason: str) -> None:
        super().__init__(f"node {node!r} (op {op}): {reason}")
        self.node = node
        self.op = op
        self.reason = reason


class WidthsError(LpnetError, ValueError):
    """Widths that are out of range, off granule, NaN, missing or too many for the space."""


class NotCovered(LpnetError):
    """The LPNet was trained on no ops like these, so it does not predict them.

    `ops` describes each missing op, such as "conv2d 5x5 stride 1 dense".
    """

    def __init__(self, target: str, ops: Sequence[str]) -> None:
        super().__init__(
            f"the LPNet of target {target!r} has never seen: {'; '.join(ops)}. "
            "Profile a space that holds them on this target, then train again."
        )
        self.target = target
        self.ops = tuple(ops)


class BudgetTooSmall(LpnetError):
    """No widths of the space are within the budget; `floor_ms` is its lowest latency."""

    def __init__(self, budget_ms: float, floor_ms: float, detail: str = "") -> None:
        super().__init__(
            f"no widths of this space take {budget_ms:.4g} ms or less: the lowest latency is "
            f"{floor_ms:.4g} ms{'; ' + detail if detail else ''}"
        )
        self.budget_ms = budget_ms
        self.floor_ms = floor_ms


class DoesNotFit(LpnetError):
    """A network needs `need_mib`, and one of `limit_mib` or less did not fit on the target.

    Both are MiB as `lpnet.space.memory` counts them.
    """

    def __init__(self, target: str, need_mib: float, limit_mib: float) -> None:
        super().__init__(
            f"this network takes {need_mib:.4g} MiB for weights and activations, and one of "
            f"{limit_mib:.4g} MiB did not fit in the memory of target {target!r}"
        )
        self.target = target
        self.need_mib = need_mib
        self.limit_mib = limit_mib


class NothingFits(DoesNotFit):
    """No widths of the space fit in the target's memory; `need_mib` is that of the narrowest."""

    def __init__(self, target: str, need_mib: float, limit_mib: float) -> None:
        Exception.__init__(
            self,
            f"no widths of this space fit in the memory of target {target!r} at any latency: the "
            f"narrowest take {need_mib:.4g} MiB for weights and activations, and a network of "
            f"{limit_mib:.4g} MiB did not fit",
        )
        self.target = target
        self.need_mib = need_mib
        self.limit_mib = limit_mib


class TooDisturbed(LpnetError):
    """Most samples of a campaign are disturbed, or its target pauses, so it was stopped.

    `reason` says why, and `advice` what would help. What was measured is kept.
    """

    def __init__(self, campaign: str, reason: str, advice: Sequence[str] = ()) -> None:
        super().__init__(
            f"campaign {campaign} ends without enough good samples: {reason}.\n"
            "What was measured is kept. keep_going=True (--keep-going) measures on regardless."
        )
        self.campaign = campaign
        self.reason = reason
        self.advice = tuple(advice)


class FileFormatError(LpnetError):
    """A file (space, LPNet, samples) cannot be read; the message says where and why."""


class MissingExtra(LpnetError):
    """A command or class needs packages of an extra of a distribution that is not installed."""

    def __init__(self, what: str, extra: str, missing: str, distribution: str = "lpnet") -> None:
        command = install_command(extra, distribution)
        super().__init__(f"{what} needs the package {missing!r}: {command}")
        self.extra = extra


class ServerUnreachable(LpnetError):
    """No answer from the server: the connection was refused, timed out or broke."""


class ApiError(LpnetError):
    """The server answered with a problem document (RFC 9457).

    `status` is the HTTP status and `code` the stable machine-readable code. `errors` names the
    faulty fields. `retry_after_s` is the pause that the server asks for, in seconds, or None.
    `request_id` finds the request in the server's log; the message of a 5xx holds it too.
    """

    retry_after_s: float | None = None
    request_id: str | None = None

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        listed = "".join(f"\n  {e.get('field', '?')}: {e.get('reason', '?')}" for e in errors)
        Exception.__init__(self, f"{detail} [{status} {code}]{listed}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)

    def __str__(self) -> str:
        message = super().__str__()
        if self.status >= 500 and self.request_id is not None:
            return f"{message} (request {self.request_id})"
        return message


class BadRequest(ApiError):
    """The request is malformed or holds a wrong value; `errors` names the fields."""


class TooLarge(BadRequest):
    """The request is larger than the server accepts."""


class NotAllowed(ApiError):
    """The server does not let this token do this; the base of the two reasons."""


class Unauthenticated(NotAllowed):
    """The request has no token, or one that is unknown, expired or revoked."""


class Forbidden(NotAllowed):
    """The token is valid and does not allow this."""


class NotFound(ApiError):
    """The server has nothing of that name or id."""


class MethodNotAllowed(ApiError):
    """The path exists and does not support this HTTP method."""


class Conflict(ApiError):
    """The request contradicts what the server holds now."""


class LeaseLost(Conflict):
    """The lease expired or was taken over; its results are still accepted as samples."""


class NameTaken(Conflict):
    """Another machine, device or import has this name."""


class DeviceBusy(Conflict):
    """Another agent of this device, with another state folder or machine, is alive."""


class NoSamples(Conflict):
    """The target has no samples to train on."""


class NoLPNet(Conflict):
    """The target has no LPNet yet."""


class TooManyRequests(ApiError):
    """The token has exceeded its request rate; the same request works later."""


class ServerFault(ApiError):
    """The server failed; the same request may work later."""


class DiskFull(ServerFault):
    """The disk that holds the server's database is full; nothing was stored."""


class NotReady(ServerFault):
    """The server's database is out of reach or not migrated."""


class NoArtifact(ServerFault):
    """The server's store of LPNet files is out of reach."""


class DamagedArtifact(NoArtifact):
    """An LPNet file of the server is missing or was changed, so it was not loaded."""


class _RemoteSpaceError(BadRequest, SpaceError):
    pass


class _RemoteWidthsError(BadRequest, WidthsError):
    pass


class _RemoteNotCovered(Conflict, NotCovered):
    """`target` is empty, and `ops` holds the server's message, which names the ops."""

    target = ""

    @property
    def ops(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.detail,)


class _RemoteDoesNotFit(Conflict, DoesNotFit):
    """`target` is empty and the figures are NaN; the server's message names them."""

    target = ""
    need_mib = limit_mib = math.nan


def problem_code(error: type[Exception]) -> str:
    """The `code` of an error class in a problem document: `no_lpnet` for NoLPNet."""
    name = error.__name__.removeprefix("_Remote")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _subclasses(error: type[ApiError]) -> Iterator[type[ApiError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


# No problem has the code of NotAllowed: it is the base of two that do.
_BY_CODE = {problem_code(error): error for error in _subclasses(ApiError) if error != NotAllowed}
CODES = frozenset(_BY_CODE)
# Codes of services before codes were class names. Drop them one release after 0.1.
LEGACY_CODES = {
    "fault": problem_code(ServerFault),
    "invalid": problem_code(BadRequest),
    "invalid_space": problem_code(SpaceError),
    "invalid_widths": problem_code(WidthsError),
    "no_room": problem_code(DiskFull),
}
# For an answer with an unknown code or none, from a newer service or a proxy.
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    412: Conflict,
    413: TooLarge,
    415: BadRequest,
    422: BadRequest,
    429: TooManyRequests,
}


def api_error(
    status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()
) -> ApiError:
    code = LEGACY_CODES.get(code, code)
    default = ServerFault if status >= 500 else _BY_STATUS.get(status, ApiError)
    return _BY_CODE.get(code, default)(status, code, detail, errors)
