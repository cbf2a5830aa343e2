"""Samples: stored in bulk, read in pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    distinct,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.inserts import insert_ignoring, insert_or_replace

Filters = Mapping[str, str | int | bool | None]
_CHUNK = 500


class SampleRepository:
    """Samples: stored in bulk, read in pages."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, rows: Sequence[dict[str, Any]], *, replace: bool = False) -> int:
        """Store samples whose id is new to their target; returns how many were stored.

        With `replace` an undisturbed sample takes the place of a disturbed one of the same target and
        id that was measured at another time: at the same time it is the same sample, delivered again
        after the service had marked it.
        """
        statement = insert_ignoring(self._session, SampleRow, "target", "id")
        if replace:
            statement = insert_or_replace(
                self._session, SampleRow, "target", "id", when=_better, keep=("campaign",)
            )
        # Without being asked to, SQLAlchemy does not keep the row count of an insert.
        done = self._session.connection().execute(
            statement, list(rows), execution_options={"preserve_rowcount": True}
        )
        return int(done.rowcount)

    def disturbed_by_id(self, target: str, ids: Sequence[str]) -> dict[str, bool]:
        """Those of the ids that are stored for a target, and whether the sample is disturbed."""
        found: dict[str, bool] = {}
        for start in range(0, len(ids), _CHUNK):
            query = select(SampleRow.id, SampleRow.disturbed).where(
                SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
            )
            found |= {id_: disturbed for id_, disturbed in self._session.execute(query)}
        return found

    def lock_undisturbed_since(
        self, target: str, epoch: int, campaign: str | None, since: datetime
    ) -> Sequence[SampleRow]:
        """Undisturbed samples of one campaign (None: of none) that were measured after `since`,
        locked; sentinels left out."""
        query = select(SampleRow).where(
            _trainable(target, epoch), SampleRow.campaign == campaign, SampleRow.taken_at > since
        )
        return self._session.scalars(query.order_by(SampleRow.seq).with_for_update()).all()

    def campaigns_undisturbed_since(
        self, target: str, epoch: int, since: datetime
    ) -> Sequence[str | None]:
        """Whose samples those are: ids of campaigns, None for samples of none."""
        query = select(SampleRow.campaign).where(
            _trainable(target, epoch), SampleRow.taken_at > since
        )
        return self._session.scalars(query.distinct().order_by(SampleRow.campaign)).all()

    def locate(self, target: str, ids: Sequence[str]) -> Sequence[Row[str, int | None, int]]:
        """Id, group and number of those of the ids that are stored for a target."""
        query = select(SampleRow.id, SampleRow.group_key, SampleRow.seq)
        return self._session.execute(
            query.where(SampleRow.target == target, SampleRow.id.in_(ids))
        ).all()

    def bodies_by_id(self, target: str, ids: Sequence[str]) -> dict[str, str]:
        """Those of the ids that are stored for a target, and the samples as they came, as JSON."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), _CHUNK):
            query = select(SampleRow.id, SampleRow.body_json).where(
                SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
            )
            found |= {id_: body for id_, body in self._session.execute(query)}
        return found

    def assign_campaign(self, target: str, campaign: str, ids: Sequence[str]) -> None:
        """Samples that came before their job was completed belong to its campaign all the same."""
        self._session.execute(
            update(SampleRow)
            .where(SampleRow.target == target, SampleRow.id.in_(ids), SampleRow.campaign.is_(None))
            .values(campaign=campaign)
        )

    def page(self, filters: Filters, after: int, limit: int) -> Sequence[SampleRow]:
        """Samples in the order they were stored, those behind number `after`."""
        query = select(SampleRow).where(SampleRow.seq > after, *_matching(filters))
        return self._session.scalars(query.order_by(SampleRow.seq).limit(limit)).all()

    def sentinel_readings(self, target: str, limit: int) -> Sequence[SampleRow]:
        """The newest readings of a target's sentinels, newest first."""
        query = select(SampleRow).where(
            SampleRow.target == target, SampleRow.sentinel.is_not(None)
        )
        newest = query.order_by(SampleRow.taken_at.desc(), SampleRow.seq.desc())
        return self._session.scalars(newest.limit(limit)).all()

    def first_sentinel_readings(
        self, target: str, epochs: Collection[int], *, most: int
    ) -> Sequence[SampleRow]:
        """The first undisturbed readings of each sentinel in each of the epochs, oldest first."""
        place = func.row_number().over(
            partition_by=(SampleRow.epoch, SampleRow.sentinel),
            order_by=(SampleRow.taken_at, SampleRow.seq),
        )
        numbered = (
            select(SampleRow.seq, place.label("place"))
            .where(
                SampleRow.target == target,
                SampleRow.epoch.in_(epochs),
                SampleRow.sentinel.is_not(None),
                SampleRow.disturbed.is_(False),
            )
            .subquery()
        )
        query = select(SampleRow).join(numbered, numbered.c.seq == SampleRow.seq)
        return self._session.scalars(
            query.where(numbered.c.place <= most).order_by(SampleRow.taken_at, SampleRow.seq)
        ).all()

    def trainable(self, target: str, epoch: int) -> Sequence[SampleRow]:
        """What an LPNet learns from: undisturbed samples of workloads, sentinels left out."""
        query = select(SampleRow).where(_trainable(target, epoch)).order_by(SampleRow.seq)
        return self._session.scalars(query).all()

    def trainable_workloads(self, target: str, epoch: int) -> Sequence[Row[str, str, str | None]]:
        """Key, kind and draw of the workloads of those samples."""
        columns = (SampleRow.workload_key, SampleRow.kind, SampleRow.draw)
        query = select(*columns).where(_trainable(target, epoch)).distinct()
        return self._session.execute(query).all()

    def workload_keys(self, target: str, epoch: int) -> set[str]:
        """Keys of all workloads that were measured, disturbed or not, sentinels left out."""
        query = select(SampleRow.workload_key).where(
            SampleRow.target == target, SampleRow.epoch == epoch, SampleRow.sentinel.is_(None)
        )
        return set(self._session.scalars(query.distinct()))

    def body_by_workload(self, target: str, epoch: int, keys: Sequence[str]) -> dict[str, str]:
        """A sample of each of those workloads, as it came, as JSON."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), _CHUNK):
            query = select(SampleRow.workload_key, SampleRow.body_json).where(
                SampleRow.target == target,
                SampleRow.epoch == epoch,
                SampleRow.sentinel.is_(None),
                SampleRow.workload_key.in_(keys[start : start + _CHUNK]),
            )
            found |= {key: body for key, body in self._session.execute(query)}
        return found

    def latest_trainable(
        self, target: str, epoch: int, keys: Sequence[str], most: int
    ) -> Sequence[SampleRow]:
        """Undisturbed samples of those workloads, newest first, at most so many; sentinels left
        out."""
        found: list[SampleRow] = []
        for start in range(0, len(keys), _CHUNK):
            query = select(SampleRow).where(
                _trainable(target, epoch), SampleRow.workload_key.in_(keys[start : start + _CHUNK])
            )
            found += self._session.scalars(query.order_by(SampleRow.seq.desc()).limit(most))
        return sorted(found, key=lambda row: -row.seq)[:most]

    def count_trainable_workloads(self, target: str, epoch: int) -> int:
        """How many different workloads those are."""
        count = func.count(distinct(SampleRow.workload_key))
        return self._session.scalar(select(count).where(_trainable(target, epoch))) or 0


def _better(new: Any) -> ColumnElement[bool]:
    """Whether a new row of the same target and id is to replace the stored one."""
    return and_(
        SampleRow.disturbed.is_(True),
        new.disturbed.is_(False),
        new.taken_at != SampleRow.taken_at,
    )


def _matching(filters: Filters) -> list[ColumnElement[bool]]:
    return [
        getattr(SampleRow, name) == value for name, value in filters.items() if value is not None
    ]


def _trainable(target: str, epoch: int) -> ColumnElement[bool]:
    return and_(
        SampleRow.target == target,
        SampleRow.epoch == epoch,
        SampleRow.sentinel.is_(None),
        SampleRow.disturbed.is_(False),
    )
