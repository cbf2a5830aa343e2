"""Workloads that are measured again because a fit did not explain them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import DoubtRow


class DoubtRepository:
    """Workloads that are measured again because a fit did not explain them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keys(self, target: str, epoch: int) -> set[str]:
        """Keys of all workloads of an epoch that were ever doubted."""
        query = select(DoubtRow.workload_key).where(
            DoubtRow.target == target, DoubtRow.epoch == epoch
        )
        return set(self._session.scalars(query))

    def add(self, row: DoubtRow) -> None:
        self._session.add(row)

    def unsettled(self, target: str, sample_ids: Sequence[str]) -> Sequence[DoubtRow]:
        """Doubts whose second sample has one of these ids, and whose outcome is not known."""
        query = select(DoubtRow).where(
            DoubtRow.target == target,
            DoubtRow.again.in_(sample_ids),
            DoubtRow.outcome.is_(None),
        )
        return self._session.scalars(query.order_by(DoubtRow.workload_key)).all()
