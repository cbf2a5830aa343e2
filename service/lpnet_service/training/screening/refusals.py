"""Tables that nothing can be learned from: mixed units, and latencies of other workloads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lpnet.errors import LpnetError
from lpnet_service.training.metrics import spearman
from lpnet_service.training.records import Mask, Record, Vector
from lpnet_service.training.screening.naming import named
from lpnet_service.training.screening.work import Matrix, expected_ms, neighbours

UNIT = math.log(1000.0)
_ROUNDS = 4
# Fewer latencies in another unit than both of these are single mistakes.
_MIN_SHARE, _MIN_COUNT = 0.01, 3
# Two units leave a gap between them: errors of these factors are rare beside those of 1,000.
_GAP = (math.log(8.0), math.log(125.0))
_MAX_IN_GAP = 0.1
# The least number of workloads, spread of the logs of latency and of work, and rank correlation
# with anything, of latencies that follow their workloads.
_MIN_RELATED, _MIN_SPREAD, _MIN_CORRELATION = 50, 0.2, 0.3
_MIN_CONSTANT, _MIN_WORK_RATIO = 20, 2.0


def unit_shifts(work: Matrix, latency: Vector) -> tuple[Vector, Vector]:
    """How many units of 1,000 each latency is off the fit, -1, 0 or 1, and the error of its log
    without them; both (N,)."""
    shifts = np.zeros(len(latency))
    errors = np.zeros(len(latency))
    for _ in range(_ROUNDS):
        expected = expected_ms(work, latency * np.exp(-shifts * UNIT))
        errors = np.log(latency / expected)
        again = np.clip(np.round(errors / UNIT), -1.0, 1.0)
        if (again == shifts).all():
            break
        shifts = again
    return shifts, errors - shifts * UNIT


def require_one_unit(records: Sequence[Record], shifts: Vector, errors: Vector) -> None:
    """Raises LpnetError, naming rows, if a part of the latencies is in another unit."""
    off = shifts != 0
    count = int(off.sum())
    if count < max(_MIN_COUNT, _MIN_SHARE * len(records)):
        return
    distance = np.abs(errors + shifts * UNIT)
    in_gap = (distance > _GAP[0]) & (distance < _GAP[1])
    if in_gap.sum() > _MAX_IN_GAP * count:
        return
    smaller = bool((shifts < 0).sum() >= (shifts > 0).sum())
    direction = "smaller" if smaller else "larger"
    units = "seconds" if smaller else "microseconds"
    raise LpnetError(
        f"latency_ms: {count} of {len(records)} samples are about 1,000 times {direction} than "
        f"the others, for what they compute. Are they in {units}? "
        f"{named(records, np.flatnonzero(off))}. "
        "Import all samples in milliseconds, into a new target."
    )


def require_relation(records: Sequence[Record], work: Matrix) -> None:
    """Raises LpnetError, naming rows, if latencies are constant or do not follow the workloads."""
    latency = np.array([record.latency_ms for record in records])
    _require_varied(records, work, latency)
    network = np.array([record.kind == "network" for record in records])
    for kind, of_kind in (("blocks", ~network), ("networks", network)):
        if _is_unrelated(work[of_kind], latency[of_kind]):
            rows = np.flatnonzero(of_kind)
            raise LpnetError(
                f"latency_ms: the latencies of {len(rows)} {kind} have nothing to do with what "
                "these compute. Do they belong to other rows? "
                f"{named(records, rows[np.argsort(-latency[rows])])}. "
                "Import the samples with their own latencies, into a new target."
            )


def _require_varied(records: Sequence[Record], work: Matrix, latency: Vector) -> None:
    workloads = {record.key for record in records}
    least, most = work[:, :3].sum(1).min(), work[:, :3].sum(1).max()
    if len(workloads) < _MIN_CONSTANT or most < _MIN_WORK_RATIO * least or np.ptp(latency) > 0:
        return
    raise LpnetError(
        f"latency_ms: all {len(records)} samples have the same latency, {latency[0]:.6g} ms, "
        f"although they compute different things: {named(records, np.arange(len(records)))}"
    )


def _is_unrelated(work: Matrix, latency: Vector) -> bool:
    if len(latency) < _MIN_RELATED:
        return False
    logs = np.log(latency)
    varied = np.log(work[:, :3].sum(1))
    if logs.std() < _MIN_SPREAD or varied.std() < _MIN_SPREAD:
        return False
    alike: Vector = np.median(logs[neighbours(work)], axis=1)
    return all(
        (correlation := spearman(other, logs)) is None or correlation < _MIN_CORRELATION
        for other in (*work.T, expected_ms(work, latency), alike)
    )


def far_off(work: Matrix, errors: Vector, factor: float) -> Mask:
    """Which errors of logs (N,) are off by more than a factor, from the fit and from those of the
    workloads with similar work."""
    limit = math.log(factor)
    alike = np.median(errors[neighbours(work)], axis=1)
    return np.asarray((np.abs(errors) > limit) & (np.abs(errors - alike) > limit))
