"""Counts and medians of samples. Whoever changes samples of a target holds `lock` meanwhile."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, text, true, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import EpochRow, GroupRow, SampleRow, WorkloadRow
from lpnet_service.repositories.rows import insert_or_replace

# Epoch and key of a workload of a target.
Place = tuple[int, str]
_CHUNK = 500


def lock(session: Session, target: str) -> None:
    """Keep others from changing samples of a target until this transaction ends.

    Two that store samples of one workload at once would each count without the other's. Whoever
    holds rows of the target's samples, jobs or campaigns asked for the jobs and campaigns before
    this, and for the samples after.
    """
    if session.get_bind().dialect.name != "sqlite":  # where there is one writer at a time
        asked = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        session.execute(asked, {"name": f"samples of {target}"})


def places_of(session: Session, target: str, ids: Sequence[str]) -> set[Place]:
    """Where those of the ids are that are stored for a target."""
    found: set[Place] = set()
    for start in range(0, len(ids), _CHUNK):
        query = select(SampleRow.epoch, SampleRow.workload_key).where(
            SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
        )
        found |= {(epoch, key) for epoch, key in session.execute(query)}
    return found


def _chunks(row: Any, target: str, places: Iterable[Place]) -> Iterator[ColumnElement[bool]]:
    """Conditions that the rows of these places meet, a chunk of places each."""
    by_epoch: dict[int, list[str]] = defaultdict(list)
    for epoch, key in places:
        by_epoch[epoch].append(key)
    for epoch, keys in by_epoch.items():
        for start in range(0, len(keys), _CHUNK):
            chunk = row.workload_key.in_(keys[start : start + _CHUNK])
            yield and_(row.target == target, row.epoch == epoch, chunk)


def counted(session: Session, target: str, places: Collection[Place]) -> Counter[int]:
    """Samples there by the key of their group, sentinels left out."""
    found: Counter[int] = Counter()
    for chunk in _chunks(SampleRow, target, places):
        query = select(SampleRow.group_key, func.count()).where(chunk)
        for key, count in session.execute(query.group_by(SampleRow.group_key)):
            if key is not None:
                found[key] += count
    return found


def samples_at(session: Session, target: str, places: Collection[Place]) -> Iterator[Any]:
    """The samples there, in the order they were stored, without their bodies; no sentinels."""
    columns = (
        *(SampleRow.epoch, SampleRow.workload_key, SampleRow.group_key, SampleRow.kind),
        *(SampleRow.space, SampleRow.block, SampleRow.draw, SampleRow.disturbed),
        *(SampleRow.session, SampleRow.latency_ms),
    )
    for chunk in _chunks(SampleRow, target, places):
        query = select(*columns).where(chunk, SampleRow.group_key.is_not(None))
        yield from session.execute(query.order_by(SampleRow.seq))


def spreads_at(
    session: Session, target: str, places: Collection[Place]
) -> dict[Place, float | None]:
    """The spreads of those of the workloads that have one."""
    found: dict[Place, float | None] = {}
    for chunk in _chunks(WorkloadRow, target, places):
        query = select(WorkloadRow.epoch, WorkloadRow.workload_key, WorkloadRow.spread).where(
            chunk, WorkloadRow.spread.is_not(None)
        )
        found |= {(epoch, key): spread for epoch, key, spread in session.execute(query)}
    return found


def spreads(session: Session, target: str, epoch: int) -> Sequence[float]:
    """The spreads of all workloads of an epoch that have one, ascending."""
    query = select(WorkloadRow.spread).where(
        WorkloadRow.target == target, WorkloadRow.epoch == epoch, WorkloadRow.spread.is_not(None)
    )
    found = session.scalars(query.order_by(WorkloadRow.spread))
    return [spread for spread in found if spread is not None]


def put_workloads(
    session: Session,
    target: str,
    rows: Mapping[Place, dict[str, Any]],
    gone: Collection[Place],
) -> None:
    """Store workloads as they are now, and forget others."""
    if rows:
        key = ("target", "epoch", "workload_key")
        replace = insert_or_replace(session, WorkloadRow, *key, when=lambda _: true())
        session.execute(replace, list(rows.values()))
    for chunk in _chunks(WorkloadRow, target, gone):
        session.execute(delete(WorkloadRow).where(chunk), execution_options=_BLIND)


def add_to_groups(
    session: Session, change: Mapping[int, int], facts: Mapping[int, dict[str, Any]]
) -> dict[int, int]:
    """Change the counts of groups; `facts` holds the columns of those that may be new. Returns
    by how much the count of each epoch changed."""
    epochs: Counter[int] = Counter()
    known = {
        row.key: row for row in session.scalars(select(GroupRow).where(GroupRow.key.in_(change)))
    }
    for key, count in change.items():
        row = known.get(key)
        if row is None:
            row = GroupRow(key=key, samples=0, **facts[key])
            session.add(row)
        row.samples += count
        epochs[row.epoch] += count
        if not row.samples:
            session.delete(row)
    session.flush()
    return epochs


def add_to_epoch(session: Session, target: str, epoch: int, count: int) -> None:
    """Change the count of an epoch."""
    mine = (EpochRow.target == target, EpochRow.epoch == epoch)
    more = update(EpochRow).where(*mine).values(samples=EpochRow.samples + count)
    now = session.scalar(more.returning(EpochRow.samples), execution_options=_BLIND)
    if now is None:
        session.add(EpochRow(target=target, epoch=epoch, samples=count))
        session.flush()
    elif not now:
        session.execute(delete(EpochRow).where(*mine), execution_options=_BLIND)


def set_noise(session: Session, target: str, epoch: int, noise: float | None) -> None:
    """Store the noise floor of an epoch, percent."""
    mine = (EpochRow.target == target, EpochRow.epoch == epoch)
    values = update(EpochRow).where(*mine).values(noise_floor_pct=noise)
    session.execute(values, execution_options=_BLIND)


def epoch(session: Session, target: str, number: int) -> EpochRow | None:
    """What is known of an epoch; None where it has no samples."""
    return session.get(EpochRow, (target, number))


def epochs(session: Session, target: str | None = None) -> Sequence[EpochRow]:
    """The epochs that have samples, of one target or of all, oldest first."""
    query = select(EpochRow)
    if target is not None:
        query = query.where(EpochRow.target == target)
    return session.scalars(query.order_by(EpochRow.target, EpochRow.epoch)).all()


def groups(session: Session, target: str, epoch: int) -> Sequence[GroupRow]:
    """The groups of an epoch."""
    query = select(GroupRow).where(GroupRow.target == target, GroupRow.epoch == epoch)
    return session.scalars(query.order_by(GroupRow.key)).all()


_BLIND = {"synchronize_session": False}
