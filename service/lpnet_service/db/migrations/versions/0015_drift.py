"""Targets that have drifted away from their LPNet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("targets", sa.Column("drift_lpnet", sa.String(), nullable=True))
    op.add_column("targets", sa.Column("drift_reason", sa.String(), nullable=True))
    op.add_column("targets", sa.Column("drifted_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("drifted_at", "drift_reason", "drift_lpnet"):
        op.drop_column("targets", name)
