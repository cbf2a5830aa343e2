"""The targets that an agent measures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("targets_json", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("agents", "targets_json")
