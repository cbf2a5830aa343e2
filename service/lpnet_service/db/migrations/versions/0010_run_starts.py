"""The start time of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    started = sa.Column("started_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("runs", started)


def downgrade() -> None:
    op.drop_column("runs", "started_at")
