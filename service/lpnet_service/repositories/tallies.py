"""Counts and medians of samples. Whoever changes samples of a target holds `lock` meanwhile."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, text, true, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import EpochRow, GroupRow, SampleRow, WorkloadRow
from lpnet_service.repositories.inserts import insert_or_replace

# Epoch and key of a workload of a target.
EpochWorkload = tuple[int, str]
_CHUNK = 500
_BLIND = {"synchronize_session": False}


class TallyRepository:
    """Counts, medians and spreads of samples. Hold `lock` while changing samples of a target."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lock(self, target: str) -> None:
        """Keep others from changing samples of a target until this transaction ends.

        Two that store samples of one workload at once would each count without the other's. Whoever
        holds rows of the target's samples, jobs or campaigns asked for the jobs and campaigns before
        this, and for the samples after.
        """
        if (
            self._session.get_bind().dialect.name != "sqlite"
        ):  # where there is one writer at a time
            asked = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
            self._session.execute(asked, {"name": f"samples of {target}"})

    def workloads_of_samples(self, target: str, ids: Sequence[str]) -> set[EpochWorkload]:
        """Where those of the ids are that are stored for a target."""
        found: set[EpochWorkload] = set()
        for start in range(0, len(ids), _CHUNK):
            query = select(SampleRow.epoch, SampleRow.workload_key).where(
                SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
            )
            found |= {(epoch, key) for epoch, key in self._session.execute(query)}
        return found

    def counts_by_group(self, target: str, places: Collection[EpochWorkload]) -> Counter[int]:
        """Samples there by the key of their group, sentinels left out."""
        found: Counter[int] = Counter()
        for chunk in _chunks(SampleRow, target, places):
            query = select(SampleRow.group_key, func.count()).where(chunk)
            for key, count in self._session.execute(query.group_by(SampleRow.group_key)):
                if key is not None:
                    found[key] += count
        return found

    def samples_of(self, target: str, places: Collection[EpochWorkload]) -> Iterator[Any]:
        """The samples there, in the order they were stored, without their bodies; no sentinels."""
        columns = (
            *(SampleRow.epoch, SampleRow.workload_key, SampleRow.group_key, SampleRow.kind),
            *(SampleRow.space, SampleRow.block, SampleRow.draw, SampleRow.disturbed),
            *(SampleRow.session, SampleRow.latency_ms),
        )
        for chunk in _chunks(SampleRow, target, places):
            query = select(*columns).where(chunk, SampleRow.group_key.is_not(None))
            yield from self._session.execute(query.order_by(SampleRow.seq))

    def spreads_of(
        self, target: str, places: Collection[EpochWorkload]
    ) -> dict[EpochWorkload, float | None]:
        """The spreads of those of the workloads that have one."""
        found: dict[EpochWorkload, float | None] = {}
        for chunk in _chunks(WorkloadRow, target, places):
            query = select(WorkloadRow.epoch, WorkloadRow.workload_key, WorkloadRow.spread).where(
                chunk, WorkloadRow.spread.is_not(None)
            )
            found |= {(epoch, key): spread for epoch, key, spread in self._session.execute(query)}
        return found

    def spreads(self, target: str, epoch: int) -> Sequence[float]:
        """The spreads of all workloads of an epoch that have one, ascending."""
        query = select(WorkloadRow.spread).where(
            WorkloadRow.target == target,
            WorkloadRow.epoch == epoch,
            WorkloadRow.spread.is_not(None),
        )
        found = self._session.scalars(query.order_by(WorkloadRow.spread))
        return [spread for spread in found if spread is not None]

    def put_workloads(
        self,
        target: str,
        rows: Mapping[EpochWorkload, dict[str, Any]],
        gone: Collection[EpochWorkload],
    ) -> None:
        """Store workloads as they are now, and forget others."""
        if rows:
            key = ("target", "epoch", "workload_key")
            replace = insert_or_replace(self._session, WorkloadRow, *key, when=lambda _: true())
            self._session.execute(replace, list(rows.values()))
        for chunk in _chunks(WorkloadRow, target, gone):
            self._session.execute(delete(WorkloadRow).where(chunk), execution_options=_BLIND)

    def add_to_groups(
        self, change: Mapping[int, int], facts: Mapping[int, dict[str, Any]]
    ) -> dict[int, int]:
        """Change the counts of groups; `facts` holds the columns of those that may be new. Returns
        by how much the count of each epoch changed."""
        epochs: Counter[int] = Counter()
        known = {
            row.key: row
            for row in self._session.scalars(select(GroupRow).where(GroupRow.key.in_(change)))
        }
        for key, count in change.items():
            row = known.get(key)
            if row is None:
                row = GroupRow(key=key, samples=0, **facts[key])
                self._session.add(row)
            row.samples += count
            epochs[row.epoch] += count
            if not row.samples:
                self._session.delete(row)
        self._session.flush()
        return epochs

    def add_to_epoch(self, target: str, epoch: int, count: int) -> None:
        """Change the count of an epoch."""
        mine = (EpochRow.target == target, EpochRow.epoch == epoch)
        more = update(EpochRow).where(*mine).values(samples=EpochRow.samples + count)
        now = self._session.scalar(more.returning(EpochRow.samples), execution_options=_BLIND)
        if now is None:
            self._session.add(EpochRow(target=target, epoch=epoch, samples=count))
            self._session.flush()
        elif not now:
            self._session.execute(delete(EpochRow).where(*mine), execution_options=_BLIND)

    def set_noise(self, target: str, epoch: int, noise: float | None) -> None:
        """Store the noise floor of an epoch, percent."""
        mine = (EpochRow.target == target, EpochRow.epoch == epoch)
        values = update(EpochRow).where(*mine).values(noise_floor_pct=noise)
        self._session.execute(values, execution_options=_BLIND)

    def get_epoch(self, target: str, number: int) -> EpochRow | None:
        """What is known of an epoch; None where it has no samples."""
        return self._session.get(EpochRow, (target, number))

    def list_epochs(self, target: str | None = None) -> Sequence[EpochRow]:
        """The epochs that have samples, of one target or of all, oldest first."""
        query = select(EpochRow)
        if target is not None:
            query = query.where(EpochRow.target == target)
        return self._session.scalars(query.order_by(EpochRow.target, EpochRow.epoch)).all()

    def groups(self, target: str, epoch: int) -> Sequence[GroupRow]:
        """The groups of an epoch."""
        query = select(GroupRow).where(GroupRow.target == target, GroupRow.epoch == epoch)
        return self._session.scalars(query.order_by(GroupRow.key)).all()


def _chunks(
    row: Any, target: str, places: Iterable[EpochWorkload]
) -> Iterator[ColumnElement[bool]]:
    """Conditions that the rows of these places meet, a chunk of places each."""
    by_epoch: dict[int, list[str]] = defaultdict(list)
    for epoch, key in places:
        by_epoch[epoch].append(key)
    for epoch, keys in by_epoch.items():
        for start in range(0, len(keys), _CHUNK):
            chunk = row.workload_key.in_(keys[start : start + _CHUNK])
            yield and_(row.target == target, row.epoch == epoch, chunk)
