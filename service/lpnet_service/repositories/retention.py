"""Which rows of a target have expired, as conditions, and deleting them in small batches."""

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

# A run of these kinds has its result elsewhere: in an LPNet or in jobs.
_KINDS_WITHOUT_REPORT = ("training", "plan")


@dataclass(frozen=True)
class ExpiredRows:
    """Conditions for the rows of a target that may be deleted.

    Rows stay if they are no older than `before`. Samples also stay if they belong to `epoch` or a
    later epoch, unless they are disturbed or readings of sentinels. Samples whose `seq` is in
    `levels` stay: they define the levels of the sentinels.
    """

    target: str
    epoch: int
    before: datetime
    levels: Collection[int] = ()

    def samples(self) -> dict[str, ColumnElement[bool]]:
        """Expired samples by reason; each sample has exactly one reason."""
        old = and_(
            SampleRow.target == self.target, SampleRow.stored_at < self.before, _campaign_is_over()
        )
        current = and_(old, SampleRow.epoch >= self.epoch)
        workload = SampleRow.sentinel.is_(None)
        return {
            "superseded": and_(old, SampleRow.epoch < self.epoch),
            # If a workload ran out of memory, disturbed samples prove which ones fitted.
            "disturbed": and_(current, workload, SampleRow.disturbed, ~_has_memory_failures()),
            "sentinel": and_(current, not_(workload), SampleRow.seq.not_in(self.levels)),
        }

    def campaigns(self) -> ColumnElement[bool]:
        sample_stays = exists().where(
            SampleRow.campaign == CampaignRow.id, not_(or_(*self.samples().values()))
        )
        return and_(
            CampaignRow.target == self.target,
            CampaignRow.state != "running",
            CampaignRow.finished_at < self.before,
            ~sample_stays,
        )

    def jobs(self) -> ColumnElement[bool]:
        return JobRow.campaign.in_(select(CampaignRow.id).where(self.campaigns()))

    def runs(self) -> ColumnElement[bool]:
        """Runs that are over, except finished studies: the run holds their only report."""
        done = and_(RunRow.state == "done", RunRow.kind.in_(_KINDS_WITHOUT_REPORT))
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
        """Inactive versions of superseded epochs. The latest version always stays, so that no
        version number is used twice."""
        latest = select(func.max(LPNetRow.version)).where(LPNetRow.target == self.target)
        return and_(
            LPNetRow.target == self.target,
            LPNetRow.active.is_(False),
            LPNetRow.epoch < self.epoch,
            LPNetRow.created_at < self.before,
            LPNetRow.version < latest.scalar_subquery(),
            ~exists().where(RunRow.lpnet == LPNetRow.id, not_(self.runs())),
        )

    def epochs(self) -> dict[type[Base], ColumnElement[bool]]:
        return {row: self._of_empty_epochs(row) for row in (SideRow, MemoryFailureRow)}

    def _of_empty_epochs(self, row: Any) -> ColumnElement[bool]:
        sample_stays = exists().where(
            SampleRow.target == self.target,
            SampleRow.epoch == row.epoch,
            not_(or_(*self.samples().values())),
        )
        return and_(row.target == self.target, row.epoch < self.epoch, ~sample_stays)


class RetentionRepository:
    """Counts and deletes rows that meet the conditions of ExpiredRows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, row: type[Base], where: ColumnElement[bool]) -> int:
        return self._session.scalar(select(func.count()).select_from(row).where(where)) or 0

    def lock_samples(
        self, where: ColumnElement[bool], limit: int
    ) -> Sequence[Row[int, int, str, str]]:
        """`seq`, epoch, workload key and body of the first matching samples, locked. Samples that
        another transaction has locked are skipped."""
        columns = (SampleRow.seq, SampleRow.epoch, SampleRow.workload_key, SampleRow.body_json)
        query = select(*columns).where(where).order_by(SampleRow.seq)
        return self._session.execute(query.limit(limit).with_for_update(skip_locked=True)).all()

    def delete_samples(self, seqs: Sequence[int]) -> None:
        self._session.execute(delete(SampleRow).where(SampleRow.seq.in_(seqs)))

    def campaign_ids(self, where: ColumnElement[bool]) -> Sequence[str]:
        return self._session.scalars(
            select(CampaignRow.id).where(where).order_by(CampaignRow.id)
        ).all()

    def delete_campaign(self, id_: str) -> tuple[int, int]:
        """Delete a campaign with its jobs and runs; returns how many jobs and runs it had."""
        jobs = delete(JobRow).where(JobRow.campaign == id_).returning(JobRow.id)
        runs = delete(RunRow).where(RunRow.campaign == id_).returning(RunRow.id)
        counts = len(self._session.scalars(jobs).all()), len(self._session.scalars(runs).all())
        self._session.execute(delete(CampaignRow).where(CampaignRow.id == id_))
        return counts

    def delete_batch(self, row: type[Base], where: ColumnElement[bool], limit: int) -> int:
        key = row.__mapper__.primary_key
        batch = select(*key).where(where).limit(limit)
        statement = delete(row).where(tuple_(*key).in_(batch)).returning(key[0])
        options = {"synchronize_session": False}
        return len(self._session.execute(statement, execution_options=options).all())


def expired_tokens(before: datetime) -> dict[type[Base], ColumnElement[bool]]:
    """Browser sessions and tokens that ended before a time, in the order to delete them."""
    ended = or_(TokenRow.expires_at < before, TokenRow.revoked_at < before)
    of_ended_token = SessionRow.token.in_(select(TokenRow.id).where(ended))
    return {SessionRow: or_(SessionRow.expires_at < before, of_ended_token), TokenRow: ended}


def _campaign_is_over() -> ColumnElement[bool]:
    over = select(CampaignRow.id).where(CampaignRow.state != "running")
    return or_(SampleRow.campaign.is_(None), SampleRow.campaign.in_(over))


def _has_memory_failures() -> ColumnElement[bool]:
    return exists().where(
        MemoryFailureRow.target == SampleRow.target, MemoryFailureRow.epoch == SampleRow.epoch
    )
