"""Workloads that are measured again because a fit did not explain them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doubts",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("workload_key", sa.String(), nullable=False),
        sa.Column("again", sa.String(), nullable=False),
        sa.Column("measured_ms", sa.Double(), nullable=False),
        sa.Column("predicted_ms", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_doubts_target"),
        sa.PrimaryKeyConstraint("target", "epoch", "workload_key", name="pk_doubts"),
    )
    op.create_index("ix_doubts_again", "doubts", ["target", "again"])


def downgrade() -> None:
    op.drop_table("doubts")
