"""What may go of a target's rows, as conditions; and deleting it, a little at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, not_, or_, select, tuple_
from sqlalchemy.orm import Session

from lpnet_service.db.rows import (
    Base,
    CampaignRow,
    JobRow,
    LPNetRow,
    MemoryFailureRow,
    RunRow,
    SampleRow,
    SessionRow,
    SideRow,
    TokenRow,
)

_REPORTED_ELSEWHERE = ("training", "plan")


@dataclass(frozen=True)
class ExpiredRows:
    """What of a target stays: epochs from `epoch` on, what is no older than `before`, and the
    samples numbered `levels`, which the levels of its sentinels are made of."""

    target: str
    epoch: int
    before: datetime
    levels: Collection[int] = ()

    def samples(self) -> dict[str, ColumnElement[bool]]:
        """Samples that may go, by the reason; no sample for two."""
        old = and_(
            SampleRow.target == self.target, SampleRow.stored_at < self.before, _campaign_is_over()
        )
        current = and_(old, SampleRow.epoch >= self.epoch)
        workload = SampleRow.sentinel.is_(None)
        return {
            "superseded": and_(old, SampleRow.epoch < self.epoch),
            # Where something did not fit, a disturbed sample is the word that this did.
            "disturbed": and_(current, workload, SampleRow.disturbed, ~_something_did_not_fit()),
            "sentinel": and_(current, not_(workload), SampleRow.seq.not_in(self.levels)),
        }

    def campaigns(self) -> ColumnElement[bool]:
        """Campaigns that are over and have no sample that stays."""
        stays = exists().where(
            SampleRow.campaign == CampaignRow.id, not_(or_(*self.samples().values()))
        )
        return and_(
            CampaignRow.target == self.target,
            CampaignRow.state != "running",
            CampaignRow.finished_at < self.before,
            ~stays,
        )

    def jobs(self) -> ColumnElement[bool]:
        """Their jobs."""
        return JobRow.campaign.in_(select(CampaignRow.id).where(self.campaigns()))

    def runs(self) -> ColumnElement[bool]:
        """Runs that are over and have nothing of their own: a study that is done is the only place
        of its report."""
        done = and_(RunRow.state == "done", RunRow.kind.in_(_REPORTED_ELSEWHERE))
        open_ = select(CampaignRow.id).where(CampaignRow.state == "running")
        old = and_(
            RunRow.finished_at < self.before,
            or_(done, RunRow.state.in_(("failed", "cancelled"))),
            or_(RunRow.campaign.is_(None), RunRow.campaign.not_in(open_)),
        )
        of_campaign = and_(
            RunRow.campaign.is_not(None),
            RunRow.campaign.in_(select(CampaignRow.id).where(self.campaigns())),
        )
        return and_(RunRow.target == self.target, or_(old, of_campaign))

    def lpnets(self) -> ColumnElement[bool]:
        """Versions of superseded epochs that are not in use; the last one always stays, so that no
        number is given twice."""
        last = select(func.max(LPNetRow.version)).where(LPNetRow.target == self.target)
        return and_(
            LPNetRow.target == self.target,
            LPNetRow.active.is_(False),
            LPNetRow.epoch < self.epoch,
            LPNetRow.created_at < self.before,
            LPNetRow.version < last.scalar_subquery(),
            ~exists().where(RunRow.lpnet == LPNetRow.id, not_(self.runs())),
        )

    def epochs(self) -> dict[type[Base], ColumnElement[bool]]:
        """What is told of superseded epochs of which no sample stays."""
        return {row: self._forgotten(row) for row in (SideRow, MemoryFailureRow)}

    def _forgotten(self, row: Any) -> ColumnElement[bool]:
        stays = exists().where(
            SampleRow.target == self.target,
            SampleRow.epoch == row.epoch,
            not_(or_(*self.samples().values())),
        )
        return and_(row.target == self.target, row.epoch < self.epoch, ~stays)


class RetentionRepository:
    """Counts and deletes rows that meet the conditions of ExpiredRows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, row: type[Base], where: ColumnElement[bool]) -> int:
        """How many rows meet a condition."""
        return self._session.scalar(select(func.count()).select_from(row).where(where)) or 0

    def lock_samples(
        self, where: ColumnElement[bool], most: int
    ) -> Sequence[Row[int, int, str, str]]:
        """Number, epoch, workload key and body of the first samples that meet a condition, locked;
        those that somebody else has locked are passed over."""
        columns = (SampleRow.seq, SampleRow.epoch, SampleRow.workload_key, SampleRow.body_json)
        query = select(*columns).where(where).order_by(SampleRow.seq)
        return self._session.execute(query.limit(most).with_for_update(skip_locked=True)).all()

    def delete_samples(self, numbers: Sequence[int]) -> None:
        self._session.execute(delete(SampleRow).where(SampleRow.seq.in_(numbers)))

    def campaign_ids(self, where: ColumnElement[bool]) -> Sequence[str]:
        """Ids of campaigns that meet a condition."""
        return self._session.scalars(
            select(CampaignRow.id).where(where).order_by(CampaignRow.id)
        ).all()

    def delete_campaign(self, id_: str) -> tuple[int, int]:
        """Delete a campaign and all that was done for it; returns how many jobs and runs it had."""
        jobs = delete(JobRow).where(JobRow.campaign == id_).returning(JobRow.id)
        runs = delete(RunRow).where(RunRow.campaign == id_).returning(RunRow.id)
        gone = len(self._session.scalars(jobs).all()), len(self._session.scalars(runs).all())
        self._session.execute(delete(CampaignRow).where(CampaignRow.id == id_))
        return gone

    def delete_batch(self, row: type[Base], where: ColumnElement[bool], most: int) -> int:
        """Delete up to `most` rows that meet a condition; returns how many."""
        key = row.__mapper__.primary_key
        first = select(*key).where(where).limit(most)
        gone = delete(row).where(tuple_(*key).in_(first)).returning(key[0])
        return len(
            self._session.execute(gone, execution_options={"synchronize_session": False}).all()
        )


def expired_tokens(before: datetime) -> dict[type[Base], ColumnElement[bool]]:
    """Sessions and expired_tokens that ended before a moment, in the order in which they may go."""
    ended = or_(TokenRow.expires_at < before, TokenRow.revoked_at < before)
    of_them = SessionRow.token.in_(select(TokenRow.id).where(ended))
    return {SessionRow: or_(SessionRow.expires_at < before, of_them), TokenRow: ended}


def _campaign_is_over() -> ColumnElement[bool]:
    over = select(CampaignRow.id).where(CampaignRow.state != "running")
    return or_(SampleRow.campaign.is_(None), SampleRow.campaign.in_(over))


def _something_did_not_fit() -> ColumnElement[bool]:
    return exists().where(
        MemoryFailureRow.target == SampleRow.target, MemoryFailureRow.epoch == SampleRow.epoch
    )
