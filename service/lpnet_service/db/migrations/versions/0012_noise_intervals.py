"""Noise floors between sessions that are a minute apart, over ten workloads, with an interval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

from lpnet.noise import Reading, noise_floor, spread
from lpnet_service.db.types import UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_CHUNK = 500
_samples = sa.table(
    "samples",
    *(sa.column(name) for name in ("target", "workload_key", "session", "latency_ms", "sentinel")),
    sa.column("epoch", sa.Integer),
    sa.column("disturbed", sa.Boolean),
    sa.column("taken_at", UtcTime()),
)
_workloads = sa.table(
    "workloads", *(sa.column(name) for name in ("target", "epoch", "workload_key", "spread"))
)
_epochs = sa.table(
    "epochs",
    *(sa.column(name) for name in ("target", "epoch", "noise_floor_pct")),
    *(sa.column(name) for name in ("noise_low_pct", "noise_high_pct", "repeated")),
)


def upgrade() -> None:
    op.add_column("epochs", sa.Column("noise_low_pct", sa.Double(), nullable=True))
    op.add_column("epochs", sa.Column("noise_high_pct", sa.Double(), nullable=True))
    repeated = sa.Column("repeated", sa.Integer(), nullable=False, server_default="0")
    op.add_column("epochs", repeated)
    connection = op.get_bind()
    for target, epoch in connection.execute(sa.select(_epochs.c.target, _epochs.c.epoch)).all():
        spreads = list(_update_spreads(connection, target, epoch))
        floor = noise_floor(spreads)
        is_epoch = (_epochs.c.target == target, _epochs.c.epoch == epoch)
        values = {
            "noise_floor_pct": floor.pct,
            "noise_low_pct": floor.low_pct,
            "noise_high_pct": floor.high_pct,
            "repeated": floor.workloads,
        }
        connection.execute(_epochs.update().where(*is_epoch).values(**values))


def _update_spreads(connection: sa.Connection, target: str, epoch: int) -> Iterator[float]:
    is_repeated = (
        _workloads.c.target == target,
        _workloads.c.epoch == epoch,
        _workloads.c.spread.is_not(None),
    )
    keys = connection.scalars(sa.select(_workloads.c.workload_key).where(*is_repeated)).all()
    for start in range(0, len(keys), _CHUNK):
        for key, value in _spreads(connection, target, epoch, keys[start : start + _CHUNK]):
            is_workload = (*is_repeated[:2], _workloads.c.workload_key == key)
            connection.execute(_workloads.update().where(*is_workload).values(spread=value))
            if value is not None:
                yield value


def _spreads(
    connection: sa.Connection, target: str, epoch: int, keys: Sequence[str]
) -> Iterator[tuple[str, float | None]]:
    names = ("workload_key", "session", "taken_at", "latency_ms")
    query = sa.select(*(_samples.c[name] for name in names)).where(
        _samples.c.target == target,
        _samples.c.epoch == epoch,
        _samples.c.workload_key.in_(keys),
        _samples.c.sentinel.is_(None),
        _samples.c.disturbed.is_(False),
        _samples.c.session.is_not(None),
    )
    sessions: dict[str, dict[str, list[Reading]]] = defaultdict(lambda: defaultdict(list))
    for key, session, taken_at, latency_ms in connection.execute(query):
        sessions[key][session].append((taken_at, latency_ms))
    for key in keys:
        yield key, spread(sessions[key].values())


def downgrade() -> None:
    for name in ("repeated", "noise_high_pct", "noise_low_pct"):
        op.drop_column("epochs", name)
