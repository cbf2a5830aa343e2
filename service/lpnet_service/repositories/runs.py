"""Runs of the worker. They are claimed and held in `leases`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import RunRow


class RunRepository:
    """Runs of the worker; LeaseRepository claims and holds them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, id_: str) -> RunRow | None:
        return self._session.get(RunRow, id_)

    def lock(self, id_: str) -> RunRow | None:
        return self._session.scalar(
            select(RunRow).where(RunRow.id == id_).with_for_update(key_share=True)
        )

    def studies(self, target: str, limit: int) -> Sequence[RunRow]:
        query = select(RunRow).where(
            RunRow.target == target, RunRow.kind == "study", RunRow.state == "done"
        )
        return self._session.scalars(
            query.order_by(RunRow.finished_at.desc(), RunRow.id).limit(limit)
        ).all()

    def any_training_since(self, target: str, since: datetime) -> bool:
        query = select(RunRow.id).where(
            RunRow.target == target, RunRow.kind == "training", RunRow.created_at >= since
        )
        return self._session.scalar(query.limit(1)) is not None

    def open_of_campaign(self, campaign: str) -> Sequence[RunRow]:
        return self._session.scalars(
            select(RunRow).where(
                RunRow.campaign == campaign, RunRow.state.in_(("queued", "running"))
            )
        ).all()


def offer_order() -> Sequence[Any]:
    return (RunRow.created_at, RunRow.id)
