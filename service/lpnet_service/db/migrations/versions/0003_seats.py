"""The seat of an agent: its state folder and boot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("seat", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("agents", "seat")
