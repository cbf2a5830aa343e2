"""Counts, medians and spreads of samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, text, true, update
from sqlalchemy.orm import Session

from lpnet.noise import NoiseFloor
from lpnet_service.db.rows import DoubtRow, EpochRow, GroupRow, SampleRow, WorkloadRow
from lpnet_service.repositories.inserts import insert_or_replace

# Epoch and workload key.
EpochWorkload = tuple[int, str]
_CHUNK = 500
_WITHOUT_SYNC = {"synchronize_session": False}


class TallyRepository:
    """Hold `lock` while changing samples of a target."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self, target: str) -> None:
        """Keep other transactions from changing samples of a target until this one ends.

        Otherwise two transactions that store samples of one workload would each miss the samples
        of the other. To avoid deadlocks, lock campaigns and jobs before this, samples after.
        """
        if self._session.get_bind().dialect.name != "sqlite":  # SQLite has one writer at a time
            statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
            self._session.execute(statement, {"name": f"samples of {target}"})

    def workloads_of_samples(self, target: str, ids: Sequence[str]) -> set[EpochWorkload]:
        workloads: set[EpochWorkload] = set()
        for start in range(0, len(ids), _CHUNK):
            query = select(SampleRow.epoch, SampleRow.workload_key).where(
                SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
            )
            workloads |= {(epoch, key) for epoch, key in self._session.execute(query)}
        return workloads

    def counts_by_group(self, target: str, workloads: Collection[EpochWorkload]) -> Counter[int]:
        counts: Counter[int] = Counter()
        for chunk in _chunks(SampleRow, target, workloads):
            query = select(SampleRow.group_key, func.count()).where(chunk)
            for key, count in self._session.execute(query.group_by(SampleRow.group_key)):
                if key is not None:
                    counts[key] += count
        return counts

    def samples_of(self, target: str, workloads: Collection[EpochWorkload]) -> Iterator[Any]:
        """The samples of these workloads in the order they were stored, without sentinels and
        bodies."""
        columns = (
            *(SampleRow.epoch, SampleRow.workload_key, SampleRow.group_key, SampleRow.kind),
            *(SampleRow.space, SampleRow.block, SampleRow.draw, SampleRow.disturbed),
            *(SampleRow.session, SampleRow.latency_ms, SampleRow.taken_at),
        )
        for chunk in _chunks(SampleRow, target, workloads):
            query = select(*columns).where(chunk, SampleRow.group_key.is_not(None))
            yield from self._session.execute(query.order_by(SampleRow.seq))

    def spreads_of(
        self, target: str, workloads: Collection[EpochWorkload]
    ) -> dict[EpochWorkload, float | None]:
        spreads: dict[EpochWorkload, float | None] = {}
        for chunk in _chunks(WorkloadRow, target, workloads):
            query = select(WorkloadRow.epoch, WorkloadRow.workload_key, WorkloadRow.spread).where(
                chunk, WorkloadRow.spread.is_not(None)
            )
            rows = self._session.execute(query)
            spreads |= {(epoch, key): spread for epoch, key, spread in rows}
        return spreads

    def doubted(self, target: str, workloads: Collection[EpochWorkload]) -> set[EpochWorkload]:
        doubted: set[EpochWorkload] = set()
        for chunk in _chunks(DoubtRow, target, workloads):
            query = select(DoubtRow.epoch, DoubtRow.workload_key).where(chunk)
            doubted |= {(epoch, key) for epoch, key in self._session.execute(query)}
        return doubted

    def spreads(self, target: str, epoch: int) -> Sequence[float]:
        query = select(WorkloadRow.spread).where(
            WorkloadRow.target == target,
            WorkloadRow.epoch == epoch,
            WorkloadRow.spread.is_not(None),
        )
        spreads = self._session.scalars(query.order_by(WorkloadRow.spread))
        return [spread for spread in spreads if spread is not None]

    def put_workloads(
        self,
        target: str,
        rows: Mapping[EpochWorkload, dict[str, Any]],
        removed: Collection[EpochWorkload],
    ) -> None:
        if rows:
            key = ("target", "epoch", "workload_key")
            replace = insert_or_replace(self._session, WorkloadRow, *key, when=lambda _: true())
            self._session.execute(replace, list(rows.values()))
        for chunk in _chunks(WorkloadRow, target, removed):
            self._session.execute(
                delete(WorkloadRow).where(chunk), execution_options=_WITHOUT_SYNC
            )

    def add_to_groups(
        self, changes: Mapping[int, int], columns: Mapping[int, dict[str, Any]]
    ) -> dict[int, int]:
        """Change the counts of groups by key; `columns` describes groups that may be new.

        Returns by how much the count of each epoch changed.
        """
        epochs: Counter[int] = Counter()
        groups = {
            row.key: row
            for row in self._session.scalars(select(GroupRow).where(GroupRow.key.in_(changes)))
        }
        for key, count in changes.items():
            row = groups.get(key)
            if row is None:
                row = GroupRow(key=key, samples=0, **columns[key])
                self._session.add(row)
            row.samples += count
            epochs[row.epoch] += count
            if not row.samples:
                self._session.delete(row)
        self._session.flush()
        return epochs

    def add_to_epoch(self, target: str, epoch: int, count: int) -> None:
        """Change the sample count of an epoch; its row exists only while it has samples."""
        is_epoch = (EpochRow.target == target, EpochRow.epoch == epoch)
        statement = update(EpochRow).where(*is_epoch).values(samples=EpochRow.samples + count)
        total = self._session.scalar(
            statement.returning(EpochRow.samples), execution_options=_WITHOUT_SYNC
        )
        if total is None:
            self._session.add(EpochRow(target=target, epoch=epoch, samples=count))
            self._session.flush()
        elif not total:
            self._session.execute(
                delete(EpochRow).where(*is_epoch), execution_options=_WITHOUT_SYNC
            )

    def set_noise(self, target: str, epoch: int, floor: NoiseFloor) -> None:
        is_epoch = (EpochRow.target == target, EpochRow.epoch == epoch)
        statement = update(EpochRow).where(*is_epoch)
        statement = statement.values(
            noise_floor_pct=floor.pct,
            noise_low_pct=floor.low_pct,
            noise_high_pct=floor.high_pct,
            repeated=floor.workloads,
        )
        self._session.execute(statement, execution_options=_WITHOUT_SYNC)

    def get_epoch(self, target: str, number: int) -> EpochRow | None:
        return self._session.get(EpochRow, (target, number))

    def list_epochs(self, target: str | None = None) -> Sequence[EpochRow]:
        query = select(EpochRow)
        if target is not None:
            query = query.where(EpochRow.target == target)
        return self._session.scalars(query.order_by(EpochRow.target, EpochRow.epoch)).all()

    def groups(self, target: str, epoch: int) -> Sequence[GroupRow]:
        query = select(GroupRow).where(GroupRow.target == target, GroupRow.epoch == epoch)
        return self._session.scalars(query.order_by(GroupRow.key)).all()


def _chunks(
    row: Any, target: str, workloads: Iterable[EpochWorkload]
) -> Iterator[ColumnElement[bool]]:
    by_epoch: dict[int, list[str]] = defaultdict(list)
    for epoch, key in workloads:
        by_epoch[epoch].append(key)
    for epoch, keys in by_epoch.items():
        for start in range(0, len(keys), _CHUNK):
            chunk = row.workload_key.in_(keys[start : start + _CHUNK])
            yield and_(row.target == target, row.epoch == epoch, chunk)
