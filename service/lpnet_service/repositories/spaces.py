"""Spaces."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SpaceRow


def all_(session: Session) -> Sequence[SpaceRow]:
    return session.scalars(select(SpaceRow).order_by(SpaceRow.created_at, SpaceRow.hash)).all()


def get(session: Session, hash_: str) -> SpaceRow | None:
    return session.get(SpaceRow, hash_)


def names(session: Session) -> dict[str, str]:
    """The name of every space, by its hash."""
    query = select(SpaceRow.hash, SpaceRow.name)
    return {hash_: name for hash_, name in session.execute(query)}


def file(session: Session, hash_: str) -> bytes | None:
    return session.scalar(select(SpaceRow.file).where(SpaceRow.hash == hash_))
