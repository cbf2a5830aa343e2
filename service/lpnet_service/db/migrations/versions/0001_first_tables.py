"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "artifacts",
    "devices",
    "spaces",
    "agents",
    "targets",
    "campaigns",
    "lpnets",
    "workload_sides",
    "jobs",
    "runs",
    "samples",
)


def upgrade() -> None:
    _artifacts()
    _devices()
    _spaces()
    _agents()
    _targets()
    _campaigns()
    _lpnets()
    _workload_sides()
    _jobs()
    _runs()
    _samples()


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_artifacts"),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("facts_json", sa.Text(), nullable=False),
        sa.Column("machine", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_devices"),
    )


def _spaces() -> None:
    op.create_table(
        "spaces",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("info_json", sa.Text(), nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_spaces"),
    )


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.name"], name="fk_agents_device"),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("device", name="uq_agents_device"),
    )


def _targets() -> None:
    op.create_table(
        "targets",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("spec_json", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.name"], name="fk_targets_device"),
        sa.PrimaryKeyConstraint("name", name="pk_targets"),
    )
    op.create_index("ix_targets_device", "targets", ["device"])


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("request_json", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("unplanned", sa.Integer(), nullable=False),
        sa.Column("unplanned_json", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["space"], ["spaces.hash"], name="fk_campaigns_space"),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_campaigns_target"),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
    )
    op.create_index("ix_campaigns_created_at", "campaigns", ["created_at"])
    op.create_index("ix_campaigns_target", "campaigns", ["target"])


def _lpnets() -> None:
    op.create_table(
        "lpnets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("network_mape_pct", sa.Double(), nullable=True),
        sa.Column("batches_json", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.String(), nullable=False),
        sa.Column("report_json", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_lpnets_target"),
        sa.ForeignKeyConstraint(
            ["weights_sha256"], ["artifacts.sha256"], name="fk_lpnets_weights_sha256"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_lpnets"),
        sa.UniqueConstraint("target", "version", name="uq_lpnets_target_version"),
    )


def _workload_sides() -> None:
    op.create_table(
        "workload_sides",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("workload_key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_workload_sides_target"),
        sa.PrimaryKeyConstraint("target", "epoch", "workload_key", name="pk_workload_sides"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("campaign", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("fresh_session", sa.Boolean(), nullable=False),
        sa.Column("items_json", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("measured", sa.Integer(), nullable=False),
        sa.Column("failures_json", sa.Text(), nullable=False),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent"], ["agents.id"], name="fk_jobs_agent"),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_jobs_campaign"),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_jobs_target"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("lease_token", name="uq_jobs_lease_token"),
    )
    op.create_index("ix_jobs_campaign", "jobs", ["campaign"])
    op.create_index("ix_jobs_expiry", "jobs", ["state", "lease_expires_at"])
    op.create_index("ix_jobs_offer", "jobs", ["target", "state", "priority", "created_at"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=True),
        sa.Column("params_json", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("lpnet", sa.String(), nullable=True),
        sa.Column("report_json", sa.Text(), nullable=True),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("lease_token", sa.String(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_runs_campaign"),
        sa.ForeignKeyConstraint(["lpnet"], ["lpnets.id"], name="fk_runs_lpnet"),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_runs_target"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("lease_token", name="uq_runs_lease_token"),
    )
    op.create_index("ix_runs_offer", "runs", ["state", "created_at"])
    op.create_index("ix_runs_target", "runs", ["target"])


def _samples() -> None:
    op.create_table(
        "samples",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("campaign", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("workload_key", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=True),
        sa.Column("block", sa.String(), nullable=True),
        sa.Column("draw", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("sentinel", sa.Boolean(), nullable=False),
        sa.Column("disturbed", sa.Boolean(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body_json", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.id"], name="fk_samples_campaign"),
        sa.ForeignKeyConstraint(["space"], ["spaces.hash"], name="fk_samples_space"),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_samples_target"),
        sa.PrimaryKeyConstraint("seq", name="pk_samples"),
        sa.UniqueConstraint("target", "id", name="uq_samples_target_id"),
    )
    op.create_index("ix_samples_campaign", "samples", ["campaign", "seq"])
    op.create_index("ix_samples_latency", "samples", ["target", "epoch", "latency_ms", "seq"])
    op.create_index("ix_samples_taken", "samples", ["target", "epoch", "taken_at", "seq"])
    op.create_index("ix_samples_workload", "samples", ["target", "epoch", "workload_key"])
