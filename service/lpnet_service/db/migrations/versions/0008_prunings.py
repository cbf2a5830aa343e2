"""Results of pruning jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "prunings",
        sa.Column("seq", number, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("body_json", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_prunings_target"),
        sa.ForeignKeyConstraint(["space"], ["spaces.hash"], name="fk_prunings_space"),
        sa.PrimaryKeyConstraint("seq", name="pk_prunings"),
        sa.UniqueConstraint("id", name="uq_prunings_id"),
    )
    op.create_index("ix_prunings_target", "prunings", ["target", "seq"])
    op.create_index("ix_prunings_space", "prunings", ["space", "seq"])


def downgrade() -> None:
    op.drop_table("prunings")
