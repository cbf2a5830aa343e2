"""Tokens and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SessionRow, TokenRow


def _usable(now: datetime) -> ColumnElement[bool]:
    return and_(
        TokenRow.revoked_at.is_(None),
        or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > now),
    )


def all_(session: Session) -> Sequence[TokenRow]:
    """Every token, oldest first."""
    return session.scalars(select(TokenRow).order_by(TokenRow.created_at, TokenRow.id)).all()


def by_sha256(session: Session, sha256: str) -> TokenRow | None:
    return session.scalar(select(TokenRow).where(TokenRow.sha256 == sha256))


def usable_of_name(session: Session, name: str, now: datetime) -> Sequence[TokenRow]:
    return session.scalars(select(TokenRow).where(TokenRow.name == name, _usable(now))).all()


def any_usable(session: Session, now: datetime) -> bool:
    """Whether anybody could be let in."""
    return session.scalar(select(TokenRow.id).where(_usable(now)).limit(1)) is not None


def not_revoked(session: Session, id_or_name: str) -> Sequence[TokenRow]:
    """Tokens of that id or name, held against other writers."""
    named = or_(TokenRow.id == id_or_name, TokenRow.name == id_or_name)
    query = select(TokenRow).where(named, TokenRow.revoked_at.is_(None))
    return session.scalars(query.with_for_update()).all()


def used(session: Session, id_: str, now: datetime) -> None:
    session.execute(update(TokenRow).where(TokenRow.id == id_).values(last_used_at=now))


def session_of(session: Session, sha256: str) -> tuple[SessionRow, TokenRow] | None:
    """A session and its token."""
    query = (
        select(SessionRow, TokenRow)
        .join(TokenRow, TokenRow.id == SessionRow.token)
        .where(SessionRow.sha256 == sha256)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    held, token = found
    return held, token


def end_session(session: Session, sha256: str) -> None:
    session.execute(delete(SessionRow).where(SessionRow.sha256 == sha256))


def end_sessions_of(session: Session, token: str) -> None:
    session.execute(delete(SessionRow).where(SessionRow.token == token))


def drop_expired_sessions(session: Session, now: datetime) -> None:
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
