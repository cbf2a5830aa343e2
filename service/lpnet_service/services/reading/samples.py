"""Samples for users: pages, and exports of whole targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from lpnet.schemas.sample import SamplePage, StoredSample
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.samples import Filters, SampleRepository
from lpnet_service.services.reading.csv_text import to_csv
from lpnet_service.services.shared import cursors
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

Format = Literal["jsonl", "csv"]
_EXPORT_PAGE = 1000
# New columns are appended, for readers that use positions.
COLUMNS = (
    *("kind", "workload", "latency_ms", "std_ms", "count", "p10_ms", "p90_ms", "min_ms"),
    *("ci_low_ms", "ci_high_ms", "converged", "id", "measured_at", "session", "draw"),
    *("sentinel", "disturbed", "reasons", "conditions"),
)


def page(ctx: Context, filters: Filters, *, after: str | None, limit: int) -> SamplePage:
    after_seq = cursors.parse_seq(after) or 0
    with ctx.db.read() as session:
        rows = SampleRepository(session).page(filters, after_seq, limit + 1)
    return SamplePage(
        items=tuple(_stored_sample(row) for row in rows[:limit]),
        next=str(rows[limit - 1].seq) if len(rows) > limit else None,
    )


def _stored_sample(row: SampleRow) -> StoredSample:
    fields = json.loads(row.body_json)
    fields |= {"target": row.target, "epoch": row.epoch, "stored_at": row.stored_at}
    return StoredSample.model_validate(fields)


def export(ctx: Context, target: str, form: Format) -> Iterator[str]:
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
    yield to_csv([COLUMNS])
    for bodies in _bodies(ctx, target):
        rows = (json.loads(body) for body in bodies)
        yield to_csv([_cell(fields.get(name)) for name in COLUMNS] for fields in rows)


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list | bool) else value
