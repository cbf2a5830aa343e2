"""Samples going out: pages, and whole exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Literal

from lpnet.schemas.sample import SamplePage, StoredSample
from lpnet_service.db.rows import SampleRow
from lpnet_service.errors import BadRequest
from lpnet_service.repositories.samples import Filters, SampleRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

Format = Literal["jsonl", "csv"]
_EXPORT_PAGE = 1000
_MOST = 2**62
# Those who read a CSV by position find what they found before; what is new comes last.
COLUMNS = (
    *("kind", "workload", "latency_ms", "std_ms", "count", "p10_ms", "p90_ms", "min_ms"),
    *("ci_low_ms", "ci_high_ms", "converged", "id", "measured_at", "session", "draw"),
    *("sentinel", "disturbed", "reasons", "conditions"),
)


def page(ctx: Context, filters: Filters, *, after: str | None, limit: int) -> SamplePage:
    """Samples that match, oldest first. Raises BadRequest for an `after` that no page gave."""
    with ctx.db.read() as session:
        rows = SampleRepository(session).page(filters, _number(after), limit + 1)
    more = len(rows) > limit
    return SamplePage(
        items=tuple(_stored(row) for row in rows[:limit]),
        next=str(rows[limit - 1].seq) if more else None,
    )


def _number(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) < 19 and int(after) < _MOST):
        raise BadRequest("after: not a place that a page named as its `next`")
    return int(after)


def _stored(row: SampleRow) -> StoredSample:
    fields = json.loads(row.body_json)
    fields |= {"target": row.target, "epoch": row.epoch, "stored_at": row.stored_at}
    return StoredSample.model_validate(fields)


def export(ctx: Context, target: str, form: Format) -> Iterator[str]:
    """Every sample of a target as text, a page at a time. NotFound for an unknown target."""
    with ctx.db.read() as session:
        require_target(session, target)
    return _csv(ctx, target) if form == "csv" else _jsonl(ctx, target)


def _bodies(ctx: Context, target: str) -> Iterator[list[str]]:
    after = 0
    while True:
        with ctx.db.read() as session:
            rows = SampleRepository(session).page({"target": target}, after, _EXPORT_PAGE)
        if not rows:
            return
        yield [row.body_json for row in rows]
        after = rows[-1].seq


def _jsonl(ctx: Context, target: str) -> Iterator[str]:
    for bodies in _bodies(ctx, target):
        yield "".join(f"{body}\n" for body in bodies)


def _csv(ctx: Context, target: str) -> Iterator[str]:
    """One column per field of a sample; workload, reasons and conditions as JSON in theirs."""
    names = COLUMNS
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    for bodies in _bodies(ctx, target):
        for body in bodies:
            fields = json.loads(body)
            writer.writerow([_cell(fields.get(name)) for name in names])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list | bool) else value
