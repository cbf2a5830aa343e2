"""Spaces."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SpaceRow


class SpaceRepository:
    """Spaces and their files."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Sequence[SpaceRow]:
        return self._session.scalars(
            select(SpaceRow).order_by(SpaceRow.created_at, SpaceRow.hash)
        ).all()

    def get(self, hash_: str) -> SpaceRow | None:
        return self._session.get(SpaceRow, hash_)

    def hashes(self, name: str) -> Sequence[str]:
        """Hashes of the spaces of that name, oldest first."""
        query = select(SpaceRow.hash).where(SpaceRow.name == name)
        return self._session.scalars(query.order_by(SpaceRow.created_at, SpaceRow.hash)).all()

    def names(self) -> dict[str, str]:
        query = select(SpaceRow.hash, SpaceRow.name)
        return {hash_: name for hash_, name in self._session.execute(query)}

    def file(self, hash_: str) -> bytes | None:
        return self._session.scalar(select(SpaceRow.file).where(SpaceRow.hash == hash_))

    def replace_file(self, hash_: str, content: bytes) -> None:
        self._session.execute(update(SpaceRow).where(SpaceRow.hash == hash_).values(file=content))
