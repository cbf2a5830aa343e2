"""Runs of the worker. How they are claimed and held is in `leases`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import RunRow


def offer_order() -> Sequence[Any]:
    """Oldest first."""
    return (RunRow.created_at, RunRow.id)


def get(session: Session, id_: str) -> RunRow | None:
    return session.get(RunRow, id_)


def lock(session: Session, id_: str) -> RunRow | None:
    """The run, held against other writers until this transaction ends."""
    return session.scalar(select(RunRow).where(RunRow.id == id_).with_for_update())


def open_of_campaign(session: Session, campaign: str) -> Sequence[RunRow]:
    return session.scalars(
        select(RunRow).where(RunRow.campaign == campaign, RunRow.state.in_(("queued", "running")))
    ).all()
