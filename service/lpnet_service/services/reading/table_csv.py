"""A latency table as a CSV file."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lpnet.schemas.table import TableRow
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload
from lpnet_service.services.reading import table
from lpnet_service.services.reading.csv_text import to_csv
from lpnet_service.services.reading.selection import Filters
from lpnet_service.services.reading.table import Sort
from lpnet_service.services.shared.context import Context

_PAGE = 1000
_ROW_COLUMNS = (
    *("id", "epoch", "kind", "space_name", "draw", "session", "latency_ms", "std_ms", "min_ms"),
    *("p10_ms", "p90_ms", "count", "disturbed", "held_out", "predicted_ms", "error_pct"),
)
COLUMNS = (*_ROW_COLUMNS, "measured_at", "space", "block", "batch", "widths", "ops", "reasons")


def export(
    ctx: Context, target: str, filters: Filters, *, sort: Sort, epoch: int | None = None
) -> Iterator[str]:
    """All rows of `table.page` as CSV, a page in memory at a time.

    Widths, ops and reasons are JSON. Raises as `table.page`, before any text is produced.
    """
    first = table.page(ctx, target, filters, sort=sort, after=None, limit=_PAGE, epoch=epoch)

    def lines() -> Iterator[str]:
        yield to_csv([COLUMNS])
        page = first
        while True:
            yield to_csv(_cells(row) for row in page.items)
            if page.next is None:
                return
            page = table.page(
                ctx,
                target,
                filters,
                sort=sort,
                after=page.next,
                limit=_PAGE,
                epoch=first.epoch,
            )

    return lines()


def _cells(row: TableRow) -> tuple[object, ...]:
    return (
        *(_cell(getattr(row, name)) for name in _ROW_COLUMNS),
        row.measured_at.isoformat() if row.measured_at else None,
        *_workload_cells(row.workload),
        json.dumps(row.reasons),
    )


def _workload_cells(workload: OpsWorkload | SpaceWorkload) -> tuple[object, ...]:
    if isinstance(workload, SpaceWorkload):
        widths = json.dumps(workload.widths)
        return workload.space, workload.block, workload.batch, widths, None
    ops = json.dumps([op.model_dump(mode="json") for op in workload.ops])
    return None, None, workload.batch, None, ops


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, bool) else value
