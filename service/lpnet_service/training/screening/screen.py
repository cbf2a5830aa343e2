"""Screening: what is refused, what is left out, and what is said in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet.schemas.report import TableWarning
from lpnet_service.training.records import Record, RecordSet
from lpnet_service.training.screening.naming import listed, named
from lpnet_service.training.screening.refusals import (
    UNIT,
    far_off,
    require_one_unit,
    require_relation,
    unit_shifts,
)
from lpnet_service.training.screening.warnings import noisy, rounded, without_copies
from lpnet_service.training.screening.work import work_of

# With fewer records nothing can be told from the rest.
MIN_SCREENED = 20
# A latency is left out if it is off by such a factor; not more than a share of all.
_OUTLIER_FACTOR, _MAX_OUTLIERS = 100.0, 0.05


@dataclass(frozen=True)
class Screened:
    """The records that a model is trained and tested on, and what is odd in the table."""

    records: tuple[Record, ...]
    warnings: tuple[TableWarning, ...]


def screened(records: Sequence[Record]) -> Screened:
    """Look at a table before it is learned.

    Raises LpnetError, naming the field and rows, if a part of the latencies is in another unit, if
    they are all the same, or if they have nothing to do with the workloads. Leaves out exact
    copies of a record, and single latencies that are off by more than 100 times.
    """
    kept, warnings = without_copies(records)
    if len(kept) < MIN_SCREENED:
        return Screened(tuple(kept), tuple(warnings))
    latency, work = RecordSet.of(kept).latency, work_of(kept)
    shifts, errors = unit_shifts(work, latency)
    require_one_unit(kept, shifts, errors)
    require_relation(kept, work)
    errors = errors + shifts * UNIT
    outliers = far_off(work, errors, _OUTLIER_FACTOR)
    if 0 < outliers.sum() <= _MAX_OUTLIERS * len(kept):
        rows = sorted(np.flatnonzero(outliers).tolist(), key=lambda row: -abs(errors[row]))
        warnings.append(_left_out(kept, rows))
        inside = ~outliers
        kept = [record for record, keep in zip(kept, inside, strict=True) if keep]
        work, errors = work[inside], errors[inside]
    warnings += [*rounded(kept), *noisy(kept, work, errors)]
    return Screened(tuple(kept), tuple(warnings))


def _left_out(records: Sequence[Record], rows: Sequence[int]) -> TableWarning:
    message = (
        f"latency_ms of {len(rows)} samples is off by more than {_OUTLIER_FACTOR:.0f} times, for "
        f"what they compute. They are neither trained nor tested on: {named(records, rows)}"
    )
    return TableWarning(
        kind="outliers", message=message, n=len(rows), samples=listed(records, rows)
    )
