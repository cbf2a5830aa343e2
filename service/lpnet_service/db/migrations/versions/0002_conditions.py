"""Conditions of targets, and sentinels by kind."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UNKNOWN = "a check of the device of a kind that nobody recorded"
_samples = sa.table(
    "samples",
    sa.column("seq", sa.BigInteger),
    sa.column("sentinel"),
    sa.column("disturbed", sa.Boolean),
    sa.column("body_json", sa.Text),
)
_jobs = sa.table("jobs", sa.column("items_json", sa.Text))


def upgrade() -> None:
    _targets()
    _agents()
    _unname_sentinels()
    op.drop_column("samples", "sentinel")
    op.add_column("samples", sa.Column("sentinel", sa.String(), nullable=True))
    op.create_index("ix_samples_sentinel", "samples", ["target", "sentinel", "taken_at", "seq"])
    _drop_from_items()


def downgrade() -> None:
    """Mark sentinels without their kind, as before."""
    op.drop_index("ix_samples_sentinel", "samples")
    for name in ("arithmetic", "memory"):
        _replace(_samples.c.body_json, _samples, f'"sentinel":"{name}"', '"sentinel":true')
    op.execute("ALTER TABLE samples RENAME COLUMN sentinel TO which")
    op.add_column(
        "samples", sa.Column("sentinel", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute("UPDATE samples SET sentinel = true WHERE which IS NOT NULL")
    op.drop_column("samples", "which")
    for name in ("block_s", "network_s"):
        op.drop_column("agents", name)
    for name in ("condition", "condition_reason", "condition_at", "cleared"):
        op.drop_column("targets", name)


def _targets() -> None:
    ready = sa.Column("condition", sa.String(), nullable=False, server_default="ready")
    op.add_column("targets", ready)
    op.add_column("targets", sa.Column("condition_reason", sa.String(), nullable=True))
    op.add_column("targets", sa.Column("condition_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "targets", sa.Column("cleared", sa.Integer(), nullable=False, server_default="0")
    )


def _agents() -> None:
    for name in ("block_s", "network_s"):
        op.add_column("agents", sa.Column(name, sa.Double(), nullable=True))


def _unname_sentinels() -> None:
    """Turn old sentinels into disturbed samples with a reason. Their kind was not stored, and they
    must stay out of training."""
    connection = op.get_bind()
    marked = _samples.c.sentinel == sa.literal(True, sa.Boolean)
    rows = connection.execute(sa.select(_samples.c.seq, _samples.c.body_json).where(marked)).all()
    for seq, text in rows:
        body = json.loads(text)
        del body["sentinel"]
        body |= {"disturbed": True, "reasons": [*body.get("reasons", ()), _UNKNOWN]}
        connection.execute(
            _samples.update()
            .where(_samples.c.seq == seq)
            .values(disturbed=True, body_json=json.dumps(body, separators=(",", ":")))
        )
    # As text, since samples that are sent again are compared as text. Inside a JSON string the
    # quotes would be escaped, so this matches the mark only.
    _replace(_samples.c.body_json, _samples, '"sentinel":false,')


def _drop_from_items() -> None:
    """Remove sentinels from the items of queued jobs."""
    _replace(_jobs.c.items_json, _jobs, ', "sentinel": false')


def _replace(
    column: sa.ColumnClause[str], table: sa.TableClause, mark: str, other: str = ""
) -> None:
    changed = sa.func.replace(column, mark, other)
    op.execute(
        table.update().where(column.contains(mark, autoescape=True)).values({column.name: changed})
    )
