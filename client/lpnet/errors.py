"""Everything lpnet raises on purpose.

LpnetError
+-- SpaceError               a model or graph cannot become a space
|   +-- UnsupportedOp        the graph holds an op (or a coupling) that lpnet does not know
+-- WidthsError (ValueError) widths out of range, off granule, NaN, missing, or of the wrong length
+-- NotCovered               the LPNet has never seen an op of this space on that target
+-- NotReachable             no widths of the space meet the asked budget
|   +-- NothingFits          because none fit in the target's memory; a DoesNotFit too
+-- DoesNotFit               a network takes more memory than its target has
+-- FileFormatError          a space, LPNet or samples file cannot be read
+-- MissingExtra             a command needs an extra that is not installed
+-- ApiError                 the server answered with a problem (RFC 9457)
|   +-- BadRequest           400, 413, 415, 422
|   |   +-- RemoteWidthsError  code `invalid_widths`; a WidthsError too
|   +-- NotAllowed           401, 403
|   +-- TooManyRequests      429; `retry_after_s` says when to come back
|   +-- NotFound             404
|   +-- Conflict             409, 412
|   |   +-- LeaseLost        code `lease_lost`: someone else may hold the job now
|   |   +-- DeviceBusy       code `device_busy`: another agent of this device is alive
|   |   +-- RemoteNotCovered   code `not_covered`; a NotCovered too
|   |   +-- RemoteDoesNotFit   code `does_not_fit`; a DoesNotFit too
|   +-- ServerFault          5xx
+-- Unreachable              no answer from the server at all
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


class LpnetError(Exception):
    """Base of all errors that lpnet raises on purpose; the message is written for the user."""


class SpaceError(LpnetError):
    """A model or graph cannot become a space, or a space cannot do what is asked."""


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
    """Widths that the space does not have: out of range, off granule, NaN, missing, too many."""


class NotCovered(LpnetError):
    """The LPNet has never seen ops like these on its target, so it gives no number for them.

    `ops` lists what is missing, in words.
    """

    def __init__(self, target: str, ops: Sequence[str]) -> None:
        super().__init__(
            f"the LPNet of target {target!r} has never seen: {'; '.join(ops)}. "
            "Profile a space that holds them on this target, then train again."
        )
        self.target = target
        self.ops = tuple(ops)


class NotReachable(LpnetError):
    """No widths of the space meet the asked budget. `floor_ms` is the least the space can take."""

    def __init__(self, budget_ms: float, floor_ms: float, detail: str = "") -> None:
        super().__init__(
            f"no widths of this space take {budget_ms:.4g} ms or less: the least is "
            f"{floor_ms:.4g} ms{'; ' + detail if detail else ''}"
        )
        self.budget_ms = budget_ms
        self.floor_ms = floor_ms


class DoesNotFit(LpnetError):
    """A network takes at least `limit_mib`, and one of that size did not fit on the target.

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


class NothingFits(NotReachable, DoesNotFit):
    """No widths of the space fit in the target's memory, so none meet any budget.

    `need_mib` is what the narrowest take; `budget_ms` and `floor_ms` are infinite.
    """

    def __init__(self, target: str, need_mib: float, limit_mib: float) -> None:
        Exception.__init__(
            self,
            f"no widths of this space fit in the memory of target {target!r}, whatever their "
            f"latency: the narrowest take {need_mib:.4g} MiB for weights and activations, and a "
            f"network of {limit_mib:.4g} MiB did not fit",
        )
        self.budget_ms = self.floor_ms = math.inf
        self.target = target
        self.need_mib = need_mib
        self.limit_mib = limit_mib


class FileFormatError(LpnetError):
    """A file (space, LPNet, samples) cannot be read; the message says where and why."""


class MissingExtra(LpnetError):
    """A command or class needs packages of an extra that is not installed."""

    def __init__(self, what: str, extra: str, missing: str) -> None:
        super().__init__(f"{what} needs the package {missing!r}: pip install 'lpnet[{extra}]'")
        self.extra = extra


class ApiError(LpnetError):
    """The server answered with a problem document (RFC 9457).

    `status` is the HTTP status, `code` the stable machine-readable code, `errors` the faulty
    fields, where the server names them, `retry_after_s` the pause that it asks for, in seconds.
    `request_id` finds the request in the server's log; a 5xx says it in words too.
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
        words = super().__str__()
        if self.status >= 500 and self.request_id is not None:
            return f"{words} (request {self.request_id})"
        return words


class BadRequest(ApiError):
    """The request is malformed or holds a wrong value; `errors` names the fields."""


class RemoteWidthsError(BadRequest, WidthsError):
    """The service refused widths, as a local predictor would."""


class NotAllowed(ApiError):
    """The token is missing, unknown, or does not reach this."""


class TooManyRequests(ApiError):
    """The token has sent more than its share; the same request works later."""


class NotFound(ApiError):
    """There is no such thing on the server."""


class Conflict(ApiError):
    """The request contradicts what the server holds now."""


class LeaseLost(Conflict):
    """The lease has expired or was taken over; results are still welcome as samples."""


class DeviceBusy(Conflict):
    """Another agent of this device spoke a moment ago, from another state folder or machine."""


class RemoteNotCovered(Conflict, NotCovered):
    """The service's LPNet does not cover a space, as a local predictor would say.

    The detail names what is missing; `target` is empty and `ops` holds the detail.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        ApiError.__init__(self, status, code, detail, errors)
        self.target = ""
        self.ops = (detail,)


class RemoteDoesNotFit(Conflict, DoesNotFit):
    """The service refused a network that does not fit in its target's memory, as a local
    predictor would.

    The detail names need and limit; `target` is empty, and the figures are NaN.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        ApiError.__init__(self, status, code, detail, errors)
        self.target = ""
        self.need_mib = self.limit_mib = math.nan


class ServerFault(ApiError):
    """The server failed; the same request may work later."""


class Unreachable(LpnetError):
    """No answer from the server: refused, timed out, or cut off."""


_BY_CODE: dict[str, type[ApiError]] = {
    "device_busy": DeviceBusy,
    "does_not_fit": RemoteDoesNotFit,
    "invalid_widths": RemoteWidthsError,
    "lease_lost": LeaseLost,
    "not_covered": RemoteNotCovered,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: BadRequest,
    415: BadRequest,
    422: BadRequest,
    429: TooManyRequests,
}


def api_error(
    status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()
) -> ApiError:
    """The error class that matches an HTTP status and a problem code."""
    if code in _BY_CODE:
        return _BY_CODE[code](status, code, detail, errors)
    if status >= 500:
        return ServerFault(status, code, detail, errors)
    return _BY_STATUS.get(status, ApiError)(status, code, detail, errors)
