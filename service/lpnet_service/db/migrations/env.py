"""Alembic's entry point; `db.migrate` passes the connection."""

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
