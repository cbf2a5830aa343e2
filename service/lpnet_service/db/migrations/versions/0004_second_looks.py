"""Repeated offers of disturbed items, causes of conditions, and starts of epochs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COUNTS = ("offered", "disturbed", "ended")


def upgrade() -> None:
    op.add_column("targets", sa.Column("cause", sa.String(), nullable=True))
    started = sa.Column("epoch_started_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("targets", started)
    # So far only sentinels have broken targets.
    op.execute("UPDATE targets SET cause = 'sentinel' WHERE condition = 'broken'")
    for name in _COUNTS:
        count = sa.Column(name, sa.Integer(), nullable=False, server_default="0")
        op.add_column("jobs", count)
    # So far a lease held all items of its job, and a job was completed once.
    op.execute("UPDATE jobs SET offered = items")
    op.execute("UPDATE jobs SET ended = 1 WHERE state = 'done'")


def downgrade() -> None:
    for name in _COUNTS:
        op.drop_column("jobs", name)
    op.drop_column("targets", "epoch_started_at")
    op.drop_column("targets", "cause")
