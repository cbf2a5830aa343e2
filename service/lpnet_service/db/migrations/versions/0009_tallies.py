"""Counts, medians and noise floors of samples."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, groupby
from statistics import mean, median
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_PAGE = 5000
_MIN_WORKLOADS = 3
_GROUP = ("target", "epoch", "kind", "space", "block", "draw", "disturbed")
_columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in _GROUP[:-1]]
_samples = sa.table(
    "samples",
    *_columns,
    sa.column("disturbed", sa.Boolean),
    sa.column("sentinel"),
    sa.column("workload_key"),
    sa.column("session"),
    sa.column("latency_ms", sa.Double),
    sa.column("group_key", sa.BigInteger),
)


def upgrade() -> None:
    epochs, groups, workloads = _epochs(), _groups(), _workloads()
    op.add_column("samples", sa.Column("group_key", sa.BigInteger(), nullable=True))
    _fill_groups(groups)
    _fill_workloads(workloads)
    _fill_epochs(epochs, groups, workloads)
    op.create_index("ix_samples_group_taken", "samples", ["group_key", "taken_at", "seq"])
    op.create_index("ix_samples_group_latency", "samples", ["group_key", "latency_ms", "seq"])


def downgrade() -> None:
    op.drop_index("ix_samples_group_latency", "samples")
    op.drop_index("ix_samples_group_taken", "samples")
    op.drop_column("samples", "group_key")
    for table in ("workloads", "sample_groups", "epochs"):
        op.drop_table(table)


def _epochs() -> sa.Table:
    return op.create_table(
        "epochs",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("noise_floor_pct", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_epochs_target"),
        sa.PrimaryKeyConstraint("target", "epoch", name="pk_epochs"),
    )


def _groups() -> sa.Table:
    table = op.create_table(
        "sample_groups",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=True),
        sa.Column("block", sa.String(), nullable=True),
        sa.Column("draw", sa.String(), nullable=True),
        sa.Column("disturbed", sa.Boolean(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["space"], ["spaces.hash"], name="fk_sample_groups_space"),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_sample_groups_target"),
        sa.PrimaryKeyConstraint("key", name="pk_sample_groups"),
    )
    op.create_index("ix_sample_groups_epoch", "sample_groups", ["target", "epoch"])
    return table


def _workloads() -> sa.Table:
    table = op.create_table(
        "workloads",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("workload_key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=True),
        sa.Column("block", sa.String(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("spread", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["space"], ["spaces.hash"], name="fk_workloads_space"),
        sa.ForeignKeyConstraint(["target"], ["targets.name"], name="fk_workloads_target"),
        sa.PrimaryKeyConstraint("target", "epoch", "workload_key", name="pk_workloads"),
        sqlite_with_rowid=False,
    )
    some = sa.text("spread IS NOT NULL")
    op.create_index(
        "ix_workloads_spread",
        "workloads",
        ["target", "epoch", "spread"],
        sqlite_where=some,
        postgresql_where=some,
    )
    return table


def _fill_groups(groups: sa.Table) -> None:
    connection = op.get_bind()
    kinds = [_samples.c[name] for name in _GROUP]
    query = sa.select(*kinds, sa.func.count()).where(_samples.c.sentinel.is_(None))
    rows = [
        dict(zip((*_GROUP, "samples"), row, strict=True)) | {"key": _key(row[:-1])}
        for row in connection.execute(query.group_by(*kinds)).all()
    ]
    if not rows:
        return
    connection.execute(groups.insert(), rows)
    # Nullable columns are compared with IS NOT DISTINCT FROM, so that nulls match.
    same = [groups.c[name].is_not_distinct_from(_samples.c[name]) for name in _GROUP[2:]]
    key = (
        sa.select(groups.c.key)
        .where(groups.c.target == _samples.c.target, groups.c.epoch == _samples.c.epoch, *same)
        .scalar_subquery()
    )
    mine = _samples.update().where(_samples.c.sentinel.is_(None))
    connection.execute(mine.values(group_key=key))


def _key(facts: Sequence[Any]) -> int:
    text = json.dumps([*facts[:-1], bool(facts[-1])])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def _fill_workloads(workloads: sa.Table) -> None:
    connection = op.get_bind()
    rows: list[dict[str, Any]] = []
    for row in _medians(connection):
        rows.append(row)
        if len(rows) == _PAGE:
            connection.execute(workloads.insert(), rows)
            rows = []
    if rows:
        connection.execute(workloads.insert(), rows)


def _medians(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    epoch_columns = (_samples.c.target, _samples.c.epoch)
    for target, epoch in connection.execute(sa.select(*epoch_columns).distinct()).all():
        names = ("workload_key", "kind", "space", "block", "session", "latency_ms")
        query = sa.select(*(_samples.c[name] for name in names)).where(
            _samples.c.target == target,
            _samples.c.epoch == epoch,
            _samples.c.sentinel.is_(None),
            _samples.c.disturbed.is_(False),
        )
        samples = connection.execute(query.order_by(_samples.c.workload_key)).all()
        for key, rows in groupby(samples, key=lambda row: row[0]):
            alike = list(rows)
            facts = dict(zip(names[:4], alike[0][:4], strict=True))
            yield facts | {
                "target": target,
                "epoch": epoch,
                "workload_key": key,
                "latency_ms": median(row[5] for row in alike),
                "spread": _spread(alike),
            }


def _spread(rows: Sequence[Any]) -> float | None:
    sessions: dict[str, list[float]] = defaultdict(list)
    for *_, session, latency in rows:
        if session is not None:
            sessions[session].append(latency)
    if len(sessions) < 2:
        return None
    medians = [median(latencies) for latencies in sessions.values()]
    return mean(abs(a - b) / ((a + b) / 2) for a, b in combinations(medians, 2))


def _fill_epochs(epochs: sa.Table, groups: sa.Table, workloads: sa.Table) -> None:
    connection = op.get_bind()
    epoch_columns = (groups.c.target, groups.c.epoch)
    query = sa.select(*epoch_columns, sa.func.sum(groups.c.samples)).group_by(*epoch_columns)
    for target, epoch, count in connection.execute(query).all():
        repeated = sa.select(workloads.c.spread).where(
            workloads.c.target == target,
            workloads.c.epoch == epoch,
            workloads.c.spread.is_not(None),
        )
        spreads = connection.scalars(repeated).all()
        noise = 100.0 * median(spreads) if len(spreads) >= _MIN_WORKLOADS else None
        values = {"target": target, "epoch": epoch, "samples": int(count)}
        connection.execute(epochs.insert().values(**values, noise_floor_pct=noise))
