"""Alembic's entry point. The connection is handed in by `db.migrate`."""

from __future__ import annotations

from alembic import context

from lpnet_service.db.rows import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
