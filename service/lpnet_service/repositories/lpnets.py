"""LPNets."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import LPNetRow


def of_target(session: Session, target: str) -> Sequence[LPNetRow]:
    """Every version, newest first."""
    return session.scalars(
        select(LPNetRow).where(LPNetRow.target == target).order_by(LPNetRow.version.desc())
    ).all()


def get(session: Session, id_: str) -> LPNetRow | None:
    return session.get(LPNetRow, id_)


def active(session: Session, target: str) -> LPNetRow | None:
    return session.scalar(
        select(LPNetRow).where(LPNetRow.target == target, LPNetRow.active.is_(True))
    )


def active_of_all(session: Session) -> dict[str, LPNetRow]:
    """The active LPNet of every target that has one."""
    rows = session.scalars(select(LPNetRow).where(LPNetRow.active.is_(True)))
    return {row.target: row for row in rows}


def next_version(session: Session, target: str) -> int:
    latest = select(func.max(LPNetRow.version)).where(LPNetRow.target == target)
    return (session.scalar(latest) or 0) + 1


def deactivate(session: Session, target: str) -> None:
    session.execute(update(LPNetRow).where(LPNetRow.target == target).values(active=False))
