"""Indexes that hold all columns of their queries, and only the rows that queries need."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Name, table, old columns, new columns, and a condition for its rows; None: all rows.
_CHANGED: list[tuple[str, str, list[str], list[str], str | None]] = [
    (
        "ix_samples_taken",
        "samples",
        ["target", "epoch", "taken_at", "seq"],
        ["target", "epoch", "taken_at", "seq", "latency_ms", "group_key"],
        None,
    ),
    (
        "ix_samples_latency",
        "samples",
        ["target", "epoch", "latency_ms", "seq"],
        ["target", "epoch", "latency_ms", "seq", "group_key"],
        None,
    ),
    (
        "ix_samples_workload",
        "samples",
        ["target", "epoch", "workload_key"],
        ["target", "epoch", "workload_key", "group_key"],
        None,
    ),
    (
        "ix_samples_sentinel",
        "samples",
        ["target", "sentinel", "taken_at", "seq"],
        ["target", "sentinel", "taken_at", "seq"],
        "sentinel IS NOT NULL",
    ),
    (
        "ix_jobs_campaign",
        "jobs",
        ["campaign"],
        ["campaign", "state", "measured", "disturbed", "started_at"],
        None,
    ),
]
_HELD_OUT = "ix_workload_sides_held_out"
_FAILURES = "ix_jobs_failures"


def upgrade() -> None:
    for name, table, _, columns, where in _CHANGED:
        op.drop_index(name, table)
        op.create_index(name, table, columns, **_only(where))
    op.create_index(
        _HELD_OUT,
        "workload_sides",
        ["target", "epoch", "workload_key"],
        # In the syntax that each engine uses in queries.
        sqlite_where=sa.text("held_out IS 1"),
        postgresql_where=sa.text("held_out IS true"),
    )
    op.create_index(_FAILURES, "jobs", ["campaign", "position"], **_only("failures_json <> '[]'"))


def downgrade() -> None:
    op.drop_index(_FAILURES, "jobs")
    op.drop_index(_HELD_OUT, "workload_sides")
    for name, table, columns, _, _ in _CHANGED:
        op.drop_index(name, table)
        op.create_index(name, table, columns)


def _only(where: str | None) -> dict[str, Any]:
    if where is None:
        return {}
    return {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
