"""Results of pruning jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import PruningRow

Filters = Mapping[str, str | bool | None]


class PruningRepository:
    """Results of pruning jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, filters: Filters, before: int | None, limit: int) -> Sequence[PruningRow]:
        query = select(PruningRow).where(
            *(
                getattr(PruningRow, name) == value
                for name, value in filters.items()
                if value is not None
            )
        )
        if before is not None:
            query = query.where(PruningRow.seq < before)
        return self._session.scalars(query.order_by(PruningRow.seq.desc()).limit(limit)).all()

    def get(self, id_: str) -> PruningRow | None:
        return self._session.scalar(select(PruningRow).where(PruningRow.id == id_))

    def delete(self, id_: str) -> bool:
        deleted = self._session.execute(
            delete(PruningRow).where(PruningRow.id == id_).returning(PruningRow.id)
        )
        return deleted.scalar() is not None
