"""LPNets."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import LPNetRow


class LPNetRepository:
    """The versions of targets' LPNets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def versions(self, target: str) -> Sequence[LPNetRow]:
        return self._session.scalars(
            select(LPNetRow).where(LPNetRow.target == target).order_by(LPNetRow.version.desc())
        ).all()

    def get(self, id_: str) -> LPNetRow | None:
        return self._session.get(LPNetRow, id_)

    def active(self, target: str) -> LPNetRow | None:
        return self._session.scalar(
            select(LPNetRow).where(LPNetRow.target == target, LPNetRow.active.is_(True))
        )

    def active_by_target(self) -> dict[str, LPNetRow]:
        rows = self._session.scalars(select(LPNetRow).where(LPNetRow.active.is_(True)))
        return {row.target: row for row in rows}

    def next_version(self, target: str) -> int:
        latest = select(func.max(LPNetRow.version)).where(LPNetRow.target == target)
        return (self._session.scalar(latest) or 0) + 1

    def deactivate(self, target: str) -> None:
        self._session.execute(
            update(LPNetRow).where(LPNetRow.target == target).values(active=False)
        )
