"""Workloads as vectors of fixed length, for models that do not look at ops."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lpnet.model.op_types import FUNCTIONS, function_feature
from lpnet.space.table import MULTIPLYING
from lpnet_service.training.baselines.task import NotApplicable
from lpnet_service.training.records import Record

Matrix = NDArray[np.float64]
# Workloads with more convs, linear ops and products are described by their totals alone.
MAX_DESCRIBED = 8


def width_vectors(training: Sequence[Record], test: Sequence[Record]) -> tuple[Matrix, Matrix]:
    """The widths of workloads of one space, divided by the largest. Raises NotApplicable for other
    workloads."""
    records = [*training, *test]
    if any(record.widths is None for record in records):
        raise NotApplicable("these workloads are described op by op and have no widths")
    named = [record.widths for record in records if record.widths is not None]
    if len({(r.space, *sorted(w)) for r, w in zip(records, named, strict=True)}) > 1:
        raise NotApplicable("these workloads do not share one vector of widths")
    names = sorted(named[0])
    if not names:
        raise NotApplicable("these workloads have no widths")
    values = np.array([[float(widths[name]) for name in names] for widths in named])
    return _split(values / values.max(0), len(training))


def summaries(training: Sequence[Record], test: Sequence[Record]) -> tuple[Matrix, Matrix]:
    """Totals, and the shape and channels of each op that multiplies, for short workloads.

    Columns that are constant or repeat another are dropped; the others are standardised. Raises
    NotApplicable if all are constant.
    """
    values = np.array([_summary(record) for record in (*training, *test)])
    train = values[: len(training)]
    varied = train.std(0) > 1e-9
    values, train = values[:, varied], train[:, varied]
    if not values.shape[1]:
        raise NotApplicable("the training samples do not vary")
    values = (values - train.mean(0)) / train.std(0)
    return _split(values[:, _distinct(values[: len(training)])], len(training))


def _summary(record: Record) -> list[float]:
    table, no_widths = record.table, np.zeros(0)
    c_in, c_out = table.c_in(no_widths), table.c_out(no_widths)
    groups = table.groups(no_widths)
    pixels = [row.h_out * row.w_out for row in table.rows]
    moved = float((c_out * pixels).sum())
    weighted = [i for i, row in enumerate(table.rows) if row.type in MULTIPLYING]
    totals = [
        math.log(record.batch),
        math.log1p(float(table.macs(no_widths))),
        math.log(moved),
        math.log(float(table.params(no_widths)) + 1.0),
        float(len(table.rows)),
    ]
    described = weighted if len(weighted) <= MAX_DESCRIBED else []
    for position in range(MAX_DESCRIBED):
        if position >= len(described):
            totals += [0.0] * 7
            continue
        i = described[position]
        row = table.rows[i]
        totals += [
            math.log(c_in[i]),
            math.log(c_out[i]),
            math.log(groups[i]),
            math.log(row.kernel[0] * row.kernel[1]),
            math.log(row.stride[0] * row.stride[1]),
            math.log(pixels[i]),
            _function_after(record, i),
        ]
    return totals


def _function_after(record: Record, index: int) -> float:
    after = record.table.rows[index + 1 : index + 2]
    if not after or after[0].type != "activation":
        return 0.0
    return float(FUNCTIONS.index(function_feature(after[0].function)))


def _distinct(values: Matrix) -> list[int]:
    """Columns that do not repeat an earlier one, up to sign and scale."""
    kept: list[int] = []
    for column in range(values.shape[1]):
        repeats = (abs(np.mean(values[:, column] * values[:, k])) > 0.9999 for k in kept)
        if not any(repeats):
            kept.append(column)
    return kept


def _split(values: Matrix, count: int) -> tuple[Matrix, Matrix]:
    return values[:count], values[count:]
