"""Workloads that did not fit in a target's memory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "memory_failures",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("workload_key", sa.String(), nullable=False),
        sa.Column("workload_json", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_memory_failures_target"),
        sa.PrimaryKeyConstraint("target", "epoch", "workload_key", name="pk_memory_failures"),
    )


def downgrade() -> None:
    op.drop_table("memory_failures")
