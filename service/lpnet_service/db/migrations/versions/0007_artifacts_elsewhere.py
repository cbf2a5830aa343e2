"""Artifacts outside the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "artifacts",
        sa.Column("elsewhere", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    away = op.get_bind().scalar(sa.text("SELECT count(*) FROM artifacts WHERE elsewhere"))
    if away:
        raise RuntimeError(
            f"{away} artifacts are not in the database: move them there first, by "
            "LPNET_ARTIFACTS=database lpnet-service artifacts move --from URL"
        )
    op.drop_column("artifacts", "elsewhere")
