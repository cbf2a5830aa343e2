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
    or_,
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

        With `replace`, an undisturbed sample replaces a disturbed one of the same target and id
        that was measured at another time. With the same time it is the same sample, delivered
        again after the service marked it as disturbed.
        """
        statement = insert_ignoring(self._session, SampleRow, "target", "id")
        if replace:
            statement = insert_or_replace(
                self._session, SampleRow, "target", "id", when=_replaces_stored, keep=("campaign",)
            )
        # SQLAlchemy keeps the row count of an insert only on request.
        inserted = self._session.connection().execute(
            statement, list(rows), execution_options={"preserve_rowcount": True}
        )
        return int(inserted.rowcount)

    def disturbed_by_id(self, target: str, ids: Sequence[str]) -> dict[str, bool]:
        disturbed: dict[str, bool] = {}
        for start in range(0, len(ids), _CHUNK):
            query = select(SampleRow.id, SampleRow.disturbed).where(
                SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
            )
            disturbed |= {id_: value for id_, value in self._session.execute(query)}
        return disturbed

    def lock_undisturbed_since(
        self, target: str, epoch: int, campaign: str | None, since: datetime
    ) -> Sequence[SampleRow]:
        """Undisturbed samples of a campaign (None: of no campaign) measured after `since`, locked;
        without sentinels."""
        query = select(SampleRow).where(
            _trainable(target, epoch), SampleRow.campaign == campaign, SampleRow.taken_at > since
        )
        return self._session.scalars(query.order_by(SampleRow.seq).with_for_update()).all()

    def lock_trainable(self, target: str, epoch: int, key: str) -> Sequence[SampleRow]:
        """Undisturbed samples of a workload, locked."""
        query = select(SampleRow).where(_trainable(target, epoch), SampleRow.workload_key == key)
        return self._session.scalars(query.order_by(SampleRow.seq).with_for_update()).all()

    def campaigns_undisturbed_since(
        self, target: str, epoch: int, since: datetime
    ) -> Sequence[str | None]:
        """Campaigns with samples that `lock_undisturbed_since` selects; None stands for samples of
        no campaign."""
        query = select(SampleRow.campaign).where(
            _trainable(target, epoch), SampleRow.taken_at > since
        )
        return self._session.scalars(query.distinct().order_by(SampleRow.campaign)).all()

    def locate(self, target: str, ids: Sequence[str]) -> Sequence[Row[str, int | None, int]]:
        """Id, group key and `seq` of the stored samples among `ids`."""
        query = select(SampleRow.id, SampleRow.group_key, SampleRow.seq)
        return self._session.execute(
            query.where(SampleRow.target == target, SampleRow.id.in_(ids))
        ).all()

    def bodies_by_id(self, target: str, ids: Sequence[str]) -> dict[str, str]:
        bodies: dict[str, str] = {}
        for start in range(0, len(ids), _CHUNK):
            query = select(SampleRow.id, SampleRow.body_json).where(
                SampleRow.target == target, SampleRow.id.in_(ids[start : start + _CHUNK])
            )
            bodies |= {id_: body for id_, body in self._session.execute(query)}
        return bodies

    def assign_campaign(self, target: str, campaign: str, ids: Sequence[str]) -> None:
        """Assign the campaign to samples that arrived before their job was completed."""
        self._session.execute(
            update(SampleRow)
            .where(SampleRow.target == target, SampleRow.id.in_(ids), SampleRow.campaign.is_(None))
            .values(campaign=campaign)
        )

    def page(self, filters: Filters, after: int, limit: int) -> Sequence[SampleRow]:
        query = select(SampleRow).where(SampleRow.seq > after, *_matching(filters))
        return self._session.scalars(query.order_by(SampleRow.seq).limit(limit)).all()

    def newest_of_campaign(self, campaign: str, limit: int) -> Sequence[SampleRow]:
        query = select(SampleRow).where(SampleRow.campaign == campaign)
        return self._session.scalars(query.order_by(SampleRow.seq.desc()).limit(limit)).all()

    def sentinel_readings(
        self,
        target: str,
        limit: int,
        *,
        epoch: int | None = None,
        until: datetime | None = None,
    ) -> Sequence[SampleRow]:
        """The newest readings: of one epoch, and taken until then, where these are given."""
        query = select(SampleRow).where(
            SampleRow.target == target, SampleRow.sentinel.is_not(None)
        )
        if epoch is not None:
            query = query.where(SampleRow.epoch == epoch)
        if until is not None:
            query = query.where(SampleRow.taken_at <= until)
        newest = query.order_by(SampleRow.taken_at.desc(), SampleRow.seq.desc())
        return self._session.scalars(newest.limit(limit)).all()

    def first_sentinel_readings(
        self, target: str, epochs: Collection[int], *, limit: int
    ) -> Sequence[SampleRow]:
        number = func.row_number().over(
            partition_by=(SampleRow.epoch, SampleRow.sentinel),
            order_by=(SampleRow.taken_at, SampleRow.seq),
        )
        numbered = (
            select(SampleRow.seq, number.label("number"))
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
            query.where(numbered.c.number <= limit).order_by(SampleRow.taken_at, SampleRow.seq)
        ).all()

    def trainable(self, target: str, epoch: int) -> Sequence[SampleRow]:
        """The samples that an LPNet is trained on: undisturbed, without sentinels."""
        query = select(SampleRow).where(_trainable(target, epoch)).order_by(SampleRow.seq)
        return self._session.scalars(query).all()

    def first_taken_at(self, group_key: int) -> datetime | None:
        query = select(SampleRow.taken_at).where(SampleRow.group_key == group_key)
        return self._session.scalar(query.order_by(SampleRow.taken_at).limit(1))

    def newest_drawn_since(
        self, target: str, epoch: int, since: datetime, spaces: Collection[str], limit: int
    ) -> Sequence[SampleRow]:
        """Undisturbed samples of these spaces measured after `since`, oldest first, of workloads
        that no pruner, no planner and no user chose."""
        drawn = or_(SampleRow.draw.is_(None), SampleRow.draw.not_in(("pruned", "chosen", "asked")))
        query = select(SampleRow).where(
            _trainable(target, epoch),
            SampleRow.taken_at > since,
            SampleRow.space.in_(spaces),
            drawn,
        )
        newest = query.order_by(SampleRow.taken_at.desc(), SampleRow.seq.desc()).limit(limit)
        return self._session.scalars(newest).all()[::-1]

    def lock_since(self, target: str, epoch: int, since: datetime) -> Sequence[SampleRow]:
        """All samples measured from `since` on, sentinels too, locked."""
        query = select(SampleRow).where(
            SampleRow.target == target, SampleRow.epoch == epoch, SampleRow.taken_at >= since
        )
        return self._session.scalars(query.order_by(SampleRow.seq).with_for_update()).all()

    def trainable_of_campaign(
        self, target: str, epoch: int, campaign: str
    ) -> Sequence[Row[str, str]]:
        """Workload key and body of the undisturbed samples of a campaign."""
        query = select(SampleRow.workload_key, SampleRow.body_json).where(
            _trainable(target, epoch), SampleRow.campaign == campaign
        )
        return self._session.execute(query.order_by(SampleRow.seq)).all()

    def trainable_workloads(self, target: str, epoch: int) -> Sequence[Row[str, str, str | None]]:
        columns = (SampleRow.workload_key, SampleRow.kind, SampleRow.draw)
        query = select(*columns).where(_trainable(target, epoch)).distinct()
        return self._session.execute(query).all()

    def workload_keys(self, target: str, epoch: int) -> set[str]:
        """Keys of all measured workloads, disturbed or not, without sentinels."""
        query = select(SampleRow.workload_key).where(
            SampleRow.target == target, SampleRow.epoch == epoch, SampleRow.sentinel.is_(None)
        )
        return set(self._session.scalars(query.distinct()))

    def body_by_workload(self, target: str, epoch: int, keys: Sequence[str]) -> dict[str, str]:
        bodies: dict[str, str] = {}
        for start in range(0, len(keys), _CHUNK):
            query = select(SampleRow.workload_key, SampleRow.body_json).where(
                SampleRow.target == target,
                SampleRow.epoch == epoch,
                SampleRow.sentinel.is_(None),
                SampleRow.workload_key.in_(keys[start : start + _CHUNK]),
            )
            bodies |= {key: body for key, body in self._session.execute(query)}
        return bodies

    def latest_trainable(
        self, target: str, epoch: int, keys: Sequence[str], limit: int
    ) -> Sequence[SampleRow]:
        rows: list[SampleRow] = []
        for start in range(0, len(keys), _CHUNK):
            query = select(SampleRow).where(
                _trainable(target, epoch), SampleRow.workload_key.in_(keys[start : start + _CHUNK])
            )
            rows += self._session.scalars(query.order_by(SampleRow.seq.desc()).limit(limit))
        return sorted(rows, key=lambda row: -row.seq)[:limit]

    def count_trainable_workloads(self, target: str, epoch: int) -> int:
        count = func.count(distinct(SampleRow.workload_key))
        return self._session.scalar(select(count).where(_trainable(target, epoch))) or 0


def _replaces_stored(new: Any) -> ColumnElement[bool]:
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
