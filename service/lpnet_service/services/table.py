"""The latency table of a target: measured workloads beside what its LPNet says of them."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from lpnet.errors import NotCovered
from lpnet.schemas.lpnet import TablePage, TableRow
from lpnet.schemas.report import NOISE_UNKNOWN
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload
from lpnet_service.db.rows import LPNetRow, SampleRow
from lpnet_service.errors import Invalid
from lpnet_service.repositories import lpnets as lpnets_
from lpnet_service.repositories import samples as samples_
from lpnet_service.repositories import sides as sides_
from lpnet_service.services import models
from lpnet_service.services.context import Context
from lpnet_service.services.targets import found, noise_of

Sort = Literal["measured_at", "latency_ms"]


def page(
    ctx: Context,
    target: str,
    filters: samples_.Filters,
    *,
    sort: Sort,
    after: str | None,
    limit: int,
) -> TablePage:
    """Samples of the current epoch, ascending by `sort`. NotThere for an unknown target, Invalid
    for an `after` that no page of this sort gave."""
    place = _place(sort, after)
    order = SampleRow.taken_at if sort == "measured_at" else SampleRow.latency_ms
    with ctx.db.read() as session:
        row = found(session, target)
        mine = {**filters, "target": row.name, "epoch": row.epoch}
        rows = samples_.table_page(session, mine, order, place, limit + 1)
        shown, more = rows[:limit], len(rows) > limit
        keys = [sample.workload_key for sample in shown]
        sides = sides_.of_keys(session, row.name, row.epoch, keys)
        lpnet = lpnets_.active(session, row.name)
        noise = noise_of(session, row)
    samples = [Sample.model_validate_json(sample.body_json) for sample in shown]
    predicted = _predictions(ctx, lpnet, shown, samples) if lpnet else {}
    return TablePage(
        target=target,
        lpnet=lpnet.id if lpnet else None,
        noise_floor_pct=noise,
        noise_floor_reason=NOISE_UNKNOWN if noise is None else None,
        items=tuple(
            _row(sample, body, sides.get(sample.workload_key), predicted, noise)
            for sample, body in zip(shown, samples, strict=True)
        ),
        next=_next(shown[-1], sort) if more else None,
    )


def _row(
    row: SampleRow,
    sample: Sample,
    held_out: bool | None,
    predicted: dict[str, float],
    noise: float | None,
) -> TableRow:
    ms = predicted.get(row.workload_key, math.nan)
    known = math.isfinite(ms)
    return TableRow(
        id=row.id,
        kind=sample.kind,
        workload=sample.workload,
        latency_ms=sample.latency_ms,
        std_ms=sample.std_ms,
        count=sample.count,
        disturbed=sample.disturbed,
        reasons=sample.reasons,
        held_out=held_out,
        predicted_ms=ms if known else None,
        error_pct=100.0 * (ms / sample.latency_ms - 1.0) if known else None,
        noise_floor_pct=noise,
        measured_at=sample.measured_at,
    )


def _predictions(
    ctx: Context, lpnet: LPNetRow, rows: Sequence[SampleRow], samples: Sequence[Sample]
) -> dict[str, float]:
    """Milliseconds by workload key; NaN where the LPNet does not cover the workload."""
    workloads = {
        row.workload_key: sample.workload for row, sample in zip(rows, samples, strict=True)
    }
    known = {key: ctx.numbers.find((lpnet.id, key)) for key in workloads}
    new: dict[str, float] = {}
    together: dict[tuple[str, str | None, int], list[str]] = defaultdict(list)
    for key, workload in workloads.items():
        if known[key] is not None:
            continue
        if isinstance(workload, OpsWorkload):
            new[key] = _of_ops(ctx, lpnet, workload)
        else:
            together[workload.space, workload.block, workload.batch].append(key)
    for place, keys in together.items():
        same = [w for key in keys if isinstance(w := workloads[key], SpaceWorkload)]
        new |= zip(keys, _of_space(ctx, lpnet, place, same), strict=True)
    for key, ms in new.items():
        ctx.numbers.put((lpnet.id, key), ms)
    return {key: ms for key, ms in known.items() if ms is not None} | new


def _of_ops(ctx: Context, lpnet: LPNetRow, workload: OpsWorkload) -> float:
    import torch

    from lpnet.space.table import OpTable

    try:
        bound = models.lpnet(ctx, lpnet.id).bind(OpTable.from_ops(workload.ops), workload.batch)
    except NotCovered:
        return math.nan
    with torch.no_grad():
        return float(bound(torch.zeros(0)))


def _of_space(
    ctx: Context,
    lpnet: LPNetRow,
    place: tuple[str, str | None, int],
    workloads: Sequence[SpaceWorkload],
) -> list[float]:
    import torch

    try:
        predictor = models.predictor(ctx, lpnet, *place)
    except NotCovered:
        return [math.nan] * len(workloads)
    vectors = [[float(w.widths[name]) for name in predictor.widths] for w in workloads]
    with torch.no_grad():
        ms: list[float] = predictor(torch.tensor(vectors, dtype=torch.float64)).tolist()
    return ms


def _next(row: SampleRow, sort: Sort) -> str:
    value: Any = row.taken_at.isoformat() if sort == "measured_at" else row.latency_ms
    return base64.urlsafe_b64encode(json.dumps([sort, value, row.seq]).encode()).decode()


def _place(sort: Sort, after: str | None) -> tuple[Any, int] | None:
    if after is None:
        return None
    try:
        named, value, seq = json.loads(base64.b64decode(after, altchars=b"-_", validate=True))
        if named != sort or not isinstance(seq, int) or not 0 <= seq < 2**62:
            raise ValueError("another order")
        return (_time(value) if sort == "measured_at" else _number(value)), seq
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise Invalid("after: not a place that a page of this sort named as its `next`") from error


def _time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _number(value: float) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("not a number")
    return value
