"""Tokens and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SessionRow, TokenRow


class TokenRepository:
    """Tokens, and the browser sessions that they opened."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Sequence[TokenRow]:
        return self._session.scalars(
            select(TokenRow).order_by(TokenRow.created_at, TokenRow.id)
        ).all()

    def find_by_sha256(self, sha256: str) -> TokenRow | None:
        return self._session.scalar(select(TokenRow).where(TokenRow.sha256 == sha256))

    def usable_by_name(self, name: str, now: datetime) -> Sequence[TokenRow]:
        return self._session.scalars(
            select(TokenRow).where(TokenRow.name == name, _usable(now))
        ).all()

    def has_usable(self, now: datetime) -> bool:
        return self._session.scalar(select(TokenRow.id).where(_usable(now)).limit(1)) is not None

    def lock_not_revoked(self, id_or_name: str) -> Sequence[TokenRow]:
        matches = or_(TokenRow.id == id_or_name, TokenRow.name == id_or_name)
        query = select(TokenRow).where(matches, TokenRow.revoked_at.is_(None))
        return self._session.scalars(query.with_for_update()).all()

    def touch(self, id_: str, now: datetime) -> None:
        self._session.execute(update(TokenRow).where(TokenRow.id == id_).values(last_used_at=now))

    def find_session(self, sha256: str) -> tuple[SessionRow, TokenRow] | None:
        query = (
            select(SessionRow, TokenRow)
            .join(TokenRow, TokenRow.id == SessionRow.token)
            .where(SessionRow.sha256 == sha256)
        )
        row = self._session.execute(query).one_or_none()
        return None if row is None else (row[0], row[1])

    def delete_session(self, sha256: str) -> None:
        self._session.execute(delete(SessionRow).where(SessionRow.sha256 == sha256))

    def delete_sessions(self, token: str) -> None:
        self._session.execute(delete(SessionRow).where(SessionRow.token == token))

    def delete_expired_sessions(self, now: datetime) -> None:
        self._session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))


def _usable(now: datetime) -> ColumnElement[bool]:
    return and_(
        TokenRow.revoked_at.is_(None),
        or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > now),
    )
